use bytes::Bytes;

use super::desk::Desk;
use super::info;
use super::method::{self, AtEnd, Method, Params};
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::message::{Answer, Call, encode_answer};
use crate::protocol::xmlrpc::value::Value;

const MULTICALL: &str = "system.multicall";

pub(super) const METHODS: &[Method] = &[
    Method {
        names: &["system.listMethods"],
        types: &["array"],
        optional: 0,
        help: "Names every method, sorted.",
        at_end: AtEnd::Answered,
        run: |_, _| Box::pin(async { Ok(names()) }),
    },
    Method {
        names: &["system.methodHelp"],
        types: &["string", "string"],
        optional: 0,
        help: "Says what a method does.",
        at_end: AtEnd::Answered,
        run: |_, params| Box::pin(async move { known(&params).map(|method| Value::from(method.help)) }),
    },
    Method {
        names: &["system.methodSignature"],
        types: &["array", "string"],
        optional: 0,
        help: "Says the type of a method's result, and the types of what it takes.",
        at_end: AtEnd::Answered,
        run: |_, params| Box::pin(async move { known(&params).map(signature) }),
    },
    Method {
        names: &[MULTICALL],
        types: &["array", "array"],
        optional: 0,
        help: "Carries out several calls, each a struct of methodName and params, one after the other. The results are not \
               wrapped in arrays of one, as in supervisord; a fault is a struct of faultCode and faultString.",
        at_end: AtEnd::Answered,
        run: |desk, params| Box::pin(multicall(desk, params)),
    },
];

/// Answers a call by what crosses the wire.
pub async fn answer_written(desk: &Desk, call: Call) -> Bytes {
    if call.method == info::ALL && call.params.is_empty() {
        return info::all_written(desk).await;
    }
    encode_answer(&answer(desk, call).await).into()
}

/// Answers a call.
///
/// # Errors
/// supervisord's faults.
pub async fn answer(desk: &Desk, call: Call) -> Answer {
    let Some(method) = method::find(&call.method) else { return Err(FaultCode::UnknownMethod.bare()) };
    let params = method.accept(call.params)?;
    if method.at_end == AtEnd::Refused {
        desk.refuse_at_end().await?;
    }
    (method.run)(desk, params).await
}

fn names() -> Value {
    let mut names: Vec<&str> = method::all().flat_map(|method| method.names.iter().copied()).collect();
    names.sort_unstable();
    Value::Array(names.into_iter().map(Value::from).collect())
}

fn known(params: &Params) -> Result<&'static Method, Fault> {
    method::find(params.text(0)).ok_or_else(|| FaultCode::SignatureUnsupported.bare())
}

fn signature(method: &Method) -> Value {
    let shown = |name: &'static str| if name == method::SIGNAL { "string" } else { name };
    Value::Array(method.types.iter().copied().map(shown).map(Value::from).collect())
}

async fn multicall(desk: &Desk, params: Params) -> Answer {
    let mut results = Vec::new();
    for call in params.elements(0) {
        let result = match inner(call) {
            // The recursion ends here: no call of several is among several.
            Ok(call) => Box::pin(answer(desk, call)).await,
            Err(fault) => Err(fault),
        };
        results.push(result.unwrap_or_else(|fault| fault.to_value()));
    }
    Ok(Value::Array(results))
}

/// One of several calls.
fn inner(call: &Value) -> Result<Call, Fault> {
    let method = call.member("methodName").and_then(Value::as_str);
    let method = method.ok_or_else(|| FaultCode::IncorrectParameters.with("No methodName"))?;
    if method == MULTICALL {
        return Err(FaultCode::IncorrectParameters.with("Recursive system.multicall forbidden"));
    }
    let params = call.member("params").and_then(Value::as_array).unwrap_or_default();
    Ok(Call { method: method.to_owned(), params: params.to_vec() })
}
