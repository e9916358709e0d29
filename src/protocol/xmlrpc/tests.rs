//! The documents are those of Python 3.11's `xmlrpc.client`, byte by byte.

use std::borrow::Cow;

use proptest::prelude::*;

use super::fault::{Fault, FaultCode};
use super::message::{Call, decode_answer, encode_answer};
use super::value::Value;

fn call_of(values: &str) -> String {
    format!(
        "<?xml version='1.0'?>\n<methodCall>\n<methodName>m</methodName>\n<params>\n{values}</params>\n</methodCall>\n"
    )
}

fn param(value: &str) -> String {
    call_of(&format!("<param>\n{value}</param>\n"))
}

/// What is read of a call with one param that is written so.
fn read(value: &str) -> Result<Value, String> {
    let call = Call::decode(param(value).as_bytes()).map_err(|error| error.to_string())?;
    assert_eq!((call.method.as_str(), call.params.len()), ("m", 1));
    Ok(call.params[0].clone())
}

#[test]
fn values_are_written_as_python_writes_them_and_read_again() {
    let lines = "YWJj".repeat(19) + "\n" + &"YWJj".repeat(11) + "\n";
    let table = [
        (Value::from("a"), "<value><string>a</string></value>\n".to_owned()),
        (Value::from(""), "<value><string></string></value>\n".to_owned()),
        (Value::from("<&>\"'"), "<value><string>&lt;&amp;&gt;\"'</string></value>\n".to_owned()),
        (Value::from(-7), "<value><int>-7</int></value>\n".to_owned()),
        (Value::from(true), "<value><boolean>1</boolean></value>\n".to_owned()),
        (Value::from(false), "<value><boolean>0</boolean></value>\n".to_owned()),
        (Value::Double(2.5), "<value><double>2.5</double></value>\n".to_owned()),
        (Value::Double(1.0), "<value><double>1.0</double></value>\n".to_owned()),
        (
            Value::DateTime("20200102T03:04:05".to_owned()),
            "<value><dateTime.iso8601>20200102T03:04:05</dateTime.iso8601></value>\n".to_owned(),
        ),
        (Value::Bytes(b"abc".repeat(30)), format!("<value><base64>\n{lines}</base64></value>\n")),
        (Value::Bytes(Vec::new()), "<value><base64>\n</base64></value>\n".to_owned()),
        (Value::Array(Vec::new()), "<value><array><data>\n</data></array></value>\n".to_owned()),
        (
            Value::members([("a", 1.into()), ("b", Value::Array(vec![2.into()]))]),
            "<value><struct>\n<member>\n<name>a</name>\n<value><int>1</int></value>\n</member>\n<member>\n\
             <name>b</name>\n<value><array><data>\n<value><int>2</int></value>\n</data></array></value>\n\
             </member>\n</struct></value>\n"
                .to_owned(),
        ),
        (Value::Nil, "<value><nil/></value>".to_owned()),
    ];
    for (value, written) in table {
        let call = Call { method: "m".to_owned(), params: vec![value.clone()] };
        assert_eq!(call.encode(), param(&written));
        assert_eq!(read(&written), Ok(value));
    }
}

#[test]
fn answers_and_faults_are_written_as_python_writes_them_and_read_again() {
    let head = "<?xml version='1.0'?>\n<methodResponse>\n";
    let fault = FaultCode::BadName.with("a<b");
    assert_eq!(fault, Fault { code: 10, text: "BAD_NAME: a<b".to_owned() });
    let table = [
        (
            Ok(Value::from(true)),
            "<params>\n<param>\n<value><boolean>1</boolean></value>\n</param>\n</params>\n</methodResponse>\n",
        ),
        (
            Err(fault),
            "<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n<value><int>10</int></value>\n</member>\n\
             <member>\n<name>faultString</name>\n<value><string>BAD_NAME: a&lt;b</string></value>\n</member>\n\
             </struct></value>\n</fault>\n</methodResponse>\n",
        ),
    ];
    for (answer, written) in table {
        assert_eq!(encode_answer(&answer), format!("{head}{written}"));
        assert_eq!(decode_answer(encode_answer(&answer).as_bytes()).unwrap(), answer);
    }
}

#[test]
fn what_other_clients_write_is_read_too() {
    let table = [
        ("<value>a &#60;b&gt; </value>", Value::from("a <b> ")),
        ("<value/>", Value::from("")),
        ("<value> <i4> 7 </i4>\n</value>", Value::from(7)),
        ("<value><i8>9007199254740993</i8></value>", Value::Int(9_007_199_254_740_993)),
        ("<value><ex:nil xmlns:ex='http://ws.apache.org/xmlrpc/namespaces/extensions'/></value>", Value::Nil),
        ("<value><string><![CDATA[<x>]]>&#13;\r\n</string></value>", Value::from("<x>\r\n")),
        ("<value><!-- no --><base64> YW\nI= </base64></value>", Value::Bytes(b"ab".to_vec())),
        ("<value><string>\x1b[1m</string></value>", Value::from("\x1b[1m")),
    ];
    for (written, value) in table {
        assert_eq!(read(written), Ok(value), "{written}");
    }
    let without = "<methodCall><methodName> system.listMethods\n</methodName></methodCall>";
    let call = Call { method: "system.listMethods".to_owned(), params: Vec::new() };
    assert_eq!(Call::decode(without.as_bytes()).unwrap(), call);
}

#[test]
fn what_is_no_call_is_refused_with_a_reason() {
    let deep = "<value><array><data>".repeat(100) + &"</data></array></value>".repeat(100);
    let table = [
        (param("<value><int>x</int></value>"), "cannot read `x` as a whole number"),
        (param("<value><boolean>2</boolean></value>"), "cannot read `2` as a boolean"),
        (param("<value><base64>?</base64></value>"), "cannot read `?` as base64"),
        (param("<value><sum>1</sum></value>"), "an element is unknown"),
        (param("<value><params/></value>"), "an element is where it may not be"),
        (param("<value><string>&lol;</string></value>"), "an entity is unknown"),
        (param("<value>1</value><value>2</value>"), "more in it than it may"),
        (param(&deep), "more than 64 deep"),
        ("<methodCall><params/></methodCall>".to_owned(), "begins with the name"),
        ("<methodResponse/>".to_owned(), "it is no call"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><methodCall/>".to_owned(), "declares a document type"),
        ("<methodCall><methodName>m</methodName>".to_owned(), "a name and params"),
        ("<methodCall><methodName>m</params>".to_owned(), "cannot read the XML"),
        (param("<value/>") + "x<y/>", "an element is unknown"),
        (" ".repeat(1 << 21), "more than 1048576 bytes"),
        (String::new(), "it is no call"),
    ];
    for (document, reason) in table {
        let error = Call::decode(document.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert!(Call::decode(b"<methodCall>\xff").unwrap_err().to_string().contains("not UTF-8"));
}

#[test]
fn what_xml_cannot_carry_is_replaced_so_that_the_rest_arrives() {
    let answer = Ok(Value::from("\x1b[1mred\0\r\n\ttab\u{ffff}"));
    let written = encode_answer(&answer);
    assert!(written.contains("\u{fffd}[1mred\u{fffd}&#13;\n\ttab\u{fffd}"), "{written}");
    let read = decode_answer(written.as_bytes()).unwrap();
    assert_eq!(read, Ok(Value::from("\u{fffd}[1mred\u{fffd}\r\n\ttab\u{fffd}")));
}

#[test]
fn every_code_is_found_by_its_number() {
    for (number, name) in [(1, "UNKNOWN_METHOD"), (6, "SHUTDOWN_STATE"), (92, "CANT_REREAD")] {
        assert_eq!(FaultCode::of(number).unwrap().words(), (number, name));
    }
    assert_eq!(FaultCode::of(5), None);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        "[ -~\r\n\t\u{a0}-\u{d7ff}]{0,20}".prop_map(Value::String),
        any::<i32>().prop_map(|number| Value::Double(f64::from(number) / 7.0)),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Value::Bytes),
        Just(Value::Nil),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec(("[a-z<&]{0,6}".prop_map(Cow::Owned), inner), 0..6)
                .prop_map(Value::Struct),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again(params in proptest::collection::vec(any_value(), 0..4)) {
        let call = Call { method: "a.b".to_owned(), params };
        prop_assert_eq!(Call::decode(call.encode().as_bytes()).unwrap(), call);
    }

    #[test]
    fn no_bytes_at_all_are_too_odd_to_be_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Call::decode(&bytes);
        let _ = decode_answer(&bytes);
    }
}
