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
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n<params>\n");
    param(&mut out, value);
    out.push_str("</params>\n</methodResponse>\n");
    out
}

/// A fault as a document.
pub(super) fn fault(fault: &Fault) -> String {
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n<fault>\n");
    let members = [("faultCode", Value::Int(fault.code)), ("faultString", Value::String(fault.text.clone()))];
    value(&mut out, &Value::members(members));
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
            simple(out, tag, number);
        }
        Value::Bool(is_true) => simple(out, "boolean", &i32::from(*is_true)),
        Value::String(text) => simple(out, "string", &escaped(text)),
        // Rust's words for doubles are read by Python's `float`, and the other way round.
        Value::Double(number) => simple(out, "double", &format_args!("{number:?}")),
        Value::DateTime(text) => simple(out, "dateTime.iso8601", &escaped(text)),
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

fn simple(out: &mut String, tag: &str, text: &dyn std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "<value><{tag}>{text}</{tag}></value>");
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
