import doctest

import pytest

from punchdown_adapter import settings, xml


def test_a_value_is_found_as_it_was_written() -> None:
    value = "a<b & \"c\" 'd' ü"
    document = f'<?xml version="1.0"?><x:a><b/><x:b>\n {xml.escape(value)}<c>no</c> </x:b></x:a>'
    assert xml.find(document, "a/b") == "", "the first one is empty"
    assert xml.find(document.replace("<b/>", ""), "a/b") == value
    assert xml.find("<a><![CDATA[<&>]]>&#x21;&#33;</a>", "a") == "<&>!!"


def test_attributes_comments_and_declarations_are_passed_over() -> None:
    document = (
        '<!DOCTYPE a [<!ELEMENT a (b)> <!-- > --> <!ENTITY e "]>">]>\n'
        "<a x=\"1>2\" y='<b>0</b>'><!-- <b>1</b> --><?p <b>2</b>?><b >3</b ></a>"
    )
    assert xml.find(document, "a/b") == "3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no XML",
        "<a>",
        "<a",
        '<a x="1>',
        "<a><b>1</b>",
        "<a><b>1</c></a>",
        "</a>",
        "<a>&unknown;</a>",
        "<a>1 & 2</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a><!-- </a>",
        '{"a": 1}',
        '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd" [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
    ],
)
def test_what_is_no_document_has_nothing_in_it(text) -> None:
    assert xml.find(text, "a") is None


def test_entities_do_not_multiply() -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(20))
    assert xml.find(f'<!DOCTYPE a [<!ENTITY e0 "x">{entities}]><a>&e20;</a>', "a") is None


def test_the_examples_in_the_words_are_true() -> None:
    for module in [xml, settings]:
        result = doctest.testmod(module)
        assert result.attempted > 0 and result.failed == 0
