/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is no XML.
    #[error("cannot read the XML: {0}")]
    Xml(#[from] quick_xml::Error),
    /// It is no text.
    #[error("cannot read the XML: it is not UTF-8")]
    NotText,
    /// It is larger than anybody needs.
    #[error("cannot read the XML: it has more than {limit} bytes")]
    TooLarge {
        /// So many bytes are taken.
        limit: usize,
    },
    /// Arrays and structs in each other go too far.
    #[error("cannot read the XML: its values lie more than {limit} deep")]
    TooDeep {
        /// They may lie so deep.
        limit: usize,
    },
    /// It is XML, and nothing of XML-RPC.
    #[error("cannot read this as XML-RPC: {0}")]
    NotXmlRpc(&'static str),
    /// A value is not what its type says.
    #[error("cannot read `{text}` as {kind}")]
    BadValue {
        /// The type.
        kind: &'static str,
        /// The value.
        text: String,
    },
}
