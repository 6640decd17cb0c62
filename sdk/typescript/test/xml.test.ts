// What stands in a document, and what is none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { xml } from "../src/index.ts";

test("a value is found as it was written", () => {
  const value = "a<b & \"c\" 'd' ü";
  const written = xml.escape(value);
  const document = `<?xml version="1.0"?><x:a><b/><x:b>\n ${written}<c>no</c> </x:b></x:a>`;
  assert.equal(xml.find(document, "a/b"), "", "the first one is empty");
  assert.equal(xml.find(document.replace("<b/>", ""), "a/b"), value);
  assert.equal(xml.find("<a><![CDATA[<&>]]>&#x21;&#33;</a>", "a"), "<&>!!");
});

test("a path may begin anywhere", () => {
  const fault = "<s:Body><s:Fault><faultcode>s:Busy</faultcode></s:Fault></s:Body>";
  const answer = `<s:Envelope xmlns:s='a>b'>${fault}</s:Envelope>`;
  assert.equal(xml.find(answer, "Fault/faultcode"), "s:Busy");
  assert.equal(xml.find(answer, "Fault/detail"), undefined);
  assert.equal(xml.find(answer, "Envelope/Body"), "");
});

test("what is beside the text is skipped, and no entity is expanded", () => {
  const type = '<!DOCTYPE a [<!ENTITY e "expanded">]>';
  assert.equal(xml.find(`<!-- <a>no</a> -->${type}<a>yes<!-- no --><?no no?></a>`, "a"), "yes");
  assert.equal(xml.find(`${type}<a>&e;</a>`, "a"), undefined);
});

test("what is no document has nothing in it", () => {
  const documents = [
    "",
    "no XML",
    "<a>",
    "<a><b>1</b>",
    "<a><b>1</c></a>",
    "</a><a>1</a>",
    "<a>&unknown;</a>",
    "<a>&#0;</a>",
    "<a>& </a>",
    "<a><!-- </a>",
    '<a b="></a>',
    '{"a": 1}',
  ];
  for (const text of documents) {
    assert.equal(xml.find(text, "a"), undefined, text);
  }
});
