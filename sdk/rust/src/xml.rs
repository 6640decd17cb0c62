//! The little XML that an adapter needs: to write a value into a document, and to find one in it.

use quick_xml::Reader;
use quick_xml::events::Event;

/// A text as it may stand in an element or an attribute.
pub fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// The text of the first element at the end of `path`, which may begin anywhere: `Fault/faultcode`. Prefixes of
/// names say nothing here. `None` when there is none before the document ends or breaks off; an element that
/// holds only others has an empty text.
///
/// ```
/// use punchdown_adapter::xml;
///
/// let answer = "<s:Envelope><s:Body><s:Fault><faultcode>s:Busy</faultcode></s:Fault></s:Body></s:Envelope>";
/// assert_eq!(xml::find(answer, "Fault/faultcode").as_deref(), Some("s:Busy"));
/// assert_eq!(xml::find(answer, "Fault/detail"), None);
/// ```
pub fn find(document: &str, path: &str) -> Option<String> {
    let wanted: Vec<&str> = path.split('/').collect();
    let mut reader = Reader::from_str(document);
    let mut open: Vec<String> = Vec::new();
    let mut found: Option<(usize, String)> = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                open.push(local(element.local_name().as_ref()));
                if found.is_none() && ends_with(&open, &wanted) {
                    found = Some((open.len(), String::new()));
                }
            }
            Event::Empty(element) => {
                open.push(local(element.local_name().as_ref()));
                if found.is_none() && ends_with(&open, &wanted) {
                    return Some(String::new());
                }
                open.pop();
            }
            Event::Text(text) => add(&mut found, open.len(), &text.decode().ok()?),
            Event::CData(text) => add(&mut found, open.len(), &text.decode().ok()?),
            Event::GeneralRef(entity) => {
                let text = match entity.resolve_char_ref().ok()? {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&entity.decode().ok()?)?.to_owned(),
                };
                add(&mut found, open.len(), &text);
            }
            Event::End(_) => {
                if found.as_ref().is_some_and(|(depth, _)| *depth == open.len()) {
                    return found.map(|(_, text)| text.trim().to_owned());
                }
                open.pop();
            }
            Event::Eof => return None,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn local(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn ends_with(open: &[String], wanted: &[&str]) -> bool {
    let Some(from) = open.len().checked_sub(wanted.len()) else { return false };
    open[from..].iter().zip(wanted).all(|(name, wanted)| name == wanted)
}

/// Text of the element itself, and not of those in it.
fn add(found: &mut Option<(usize, String)>, depth: usize, text: &str) {
    if let Some((_, collected)) = found.as_mut().filter(|(at, _)| *at == depth) {
        collected.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_as_it_was_written() {
        let value = "a<b & \"c\" 'd' ü";
        let document =
            format!("<?xml version=\"1.0\"?><x:a><b/><x:b>\n {}<c>no</c> </x:b></x:a>", escape(value));
        assert_eq!(find(&document, "a/b").as_deref(), Some(""), "the first one is empty");
        let document = document.replace("<b/>", "");
        assert_eq!(find(&document, "a/b").as_deref(), Some(value));
        assert_eq!(find("<a><![CDATA[<&>]]>&#x21;&#33;</a>", "a").as_deref(), Some("<&>!!"));
    }

    #[test]
    fn what_is_no_document_has_nothing_in_it() {
        for text in ["", "no XML", "<a>", "<a><b>1</b>", "<a><b>1</c></a>", "<a>&unknown;</a>", "{\"a\": 1}"]
        {
            assert_eq!(find(text, "a"), None, "{text}");
        }
    }
}
