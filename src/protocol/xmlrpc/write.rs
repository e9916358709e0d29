use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::partial_escape;

use super::fault::Fault;
use super::value::Value;

/// What Python puts on a line of base64 (MIME's 76 characters).
const BASE64_LINE_BYTES: usize = 57;

/// A call as a document.
pub(super) fn call(method: &str, params: &[Value]) -> String {
    let mut out = String::from("<?xml version='1.0'?>\n<methodCall>\n<methodName>");
    out.push_str(&escaped(method));
    out.push_str("</methodName>\n<params>\n");
    for param in params {
        self::param(&mut out, param);
    }
    out.push_str("</params>\n</methodCall>\n");
    out
}

/// A result as a document.
pub(super) fn result(value: &Value) -> String {
    let mut out = String::with_capacity(HEAD_BYTES + bytes_of(value));
    out.push_str("<?xml version='1.0'?>\n<methodResponse>\n<params>\n");
    param(&mut out, value);
    out.push_str("</params>\n</methodResponse>\n");
    out
}

/// What is written around a value.
const HEAD_BYTES: usize = 256;

/// About as many bytes as a value takes.
fn bytes_of(value: &Value) -> usize {
    const TAGS: usize = 64;
    TAGS + match value {
        Value::String(text) | Value::DateTime(text) => text.len(),
        Value::Bytes(bytes) => bytes.len() / 2 * 3,
        Value::Array(elements) => elements.iter().map(bytes_of).sum(),
        Value::Struct(members) => members.iter().map(|(name, member)| name.len() + bytes_of(member)).sum(),
        Value::Int(_) | Value::Bool(_) | Value::Double(_) | Value::Nil => 0,
    }
}

/// A fault as a document.
pub(super) fn fault(fault: &Fault) -> String {
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n<fault>\n");
    value(&mut out, &fault.to_value());
    out.push_str("</fault>\n</methodResponse>\n");
    out
}

fn param(out: &mut String, param: &Value) {
    out.push_str("<param>\n");
    value(out, param);
    out.push_str("</param>\n");
}

fn value(out: &mut String, value: &Value) {
    match value {
        Value::Int(number) => {
            let tag = if i32::try_from(*number).is_ok() { "int" } else { "i8" };
            scalar(out, tag, |out| {
                let _ = write!(out, "{number}");
            });
        }
        Value::Bool(is_true) => scalar(out, "boolean", |out| out.push(if *is_true { '1' } else { '0' })),
        Value::String(text) => scalar(out, "string", |out| out.push_str(&escaped(text))),
        // Rust's words for doubles are read by Python's `float`, and the other way round.
        Value::Double(number) => scalar(out, "double", |out| {
            let _ = write!(out, "{number:?}");
        }),
        Value::DateTime(text) => scalar(out, "dateTime.iso8601", |out| out.push_str(&escaped(text))),
        Value::Bytes(bytes) => {
            out.push_str("<value><base64>\n");
            for line in bytes.chunks(BASE64_LINE_BYTES) {
                STANDARD.encode_string(line, out);
                out.push('\n');
            }
            out.push_str("</base64></value>\n");
        }
        Value::Array(elements) => {
            out.push_str("<value><array><data>\n");
            elements.iter().for_each(|element| self::value(out, element));
            out.push_str("</data></array></value>\n");
        }
        Value::Struct(members) => {
            out.push_str("<value><struct>\n");
            members.iter().for_each(|(name, member)| self::member(out, name, member));
            out.push_str("</struct></value>\n");
        }
        Value::Nil => out.push_str("<value><nil/></value>"),
    }
}

/// Writing to a string does not fail.
fn scalar(out: &mut String, tag: &str, content: impl FnOnce(&mut String)) {
    out.push_str("<value><");
    out.push_str(tag);
    out.push('>');
    content(out);
    out.push_str("</");
    out.push_str(tag);
    out.push_str("></value>\n");
}

fn member(out: &mut String, name: &str, member: &Value) {
    out.push_str("<member>\n<name>");
    out.push_str(&escaped(name));
    out.push_str("</name>\n");
    value(out, member);
    out.push_str("</member>\n");
}

/// A text as XML carries it: its own characters escaped, and U+FFFD for those that it cannot carry.
fn escaped(text: &str) -> Cow<'_, str> {
    // Most texts are names, paths and words.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'<' | b'>' | b'&')) {
        return Cow::Borrowed(text);
    }
    if text.contains(cannot_be_carried) {
        let carried = text.replace(cannot_be_carried, "\u{fffd}");
        return Cow::Owned(partial_escape(carried).into_owned());
    }
    partial_escape(text)
}

/// Whether XML 1.0 has no way to write a character, not even as a reference (its production 2, `Char`).
fn cannot_be_carried(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}
