//! Documents that were parsed and found within the limits, by the SHA-256 of their text.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_graphql::{
    Name,
    parser::types::{ExecutableDocument, OperationDefinition, OperationType},
};
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::root_fields::RootField;

/// The SHA-256 of a document's text.
pub type DocumentHash = [u8; 32];

/// The SHA-256 of `text`.
pub fn hash(text: &str) -> DocumentHash {
    Sha256::digest(text.as_bytes()).into()
}

/// A document whose operations are within the limits.
#[derive(Debug)]
pub struct Document {
    /// As parsed; subscriptions with their root fields written out.
    pub parsed: ExecutableDocument,
    /// Its operations.
    pub operations: Vec<Operation>,
    /// Tokens of its text.
    pub tokens: usize,
}

/// One operation of a document.
#[derive(Debug)]
pub struct Operation {
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// What it is.
    pub kind: OperationType,
    /// Its root fields, with fragments written out.
    pub root_fields: Vec<RootField>,
    /// Whether the page sizes must be looked at with the variables of each request.
    pub variable_pages: bool,
    /// Whether any operation of the document declares variables.
    pub has_variables: bool,
    /// Variables that fill arguments with defaults or fields of input objects, and may be left out.
    pub defaulted_variables: Vec<Name>,
    pub(super) valid: AtomicBool,
}

impl Operation {
    /// Remembers that validation found nothing.
    pub fn set_valid(&self) {
        self.valid.store(true, Ordering::Relaxed);
    }

    /// Whether validation would find nothing again. Never with variables: it looks at their values too.
    pub fn is_valid(&self) -> bool {
        !self.has_variables && self.valid.load(Ordering::Relaxed)
    }
}

impl Document {
    /// The definition of an operation, by its place in `operations`.
    pub fn definition(&self, index: usize) -> Option<&OperationDefinition> {
        let wanted = self.operations.get(index)?;
        self.parsed.operations.iter().find(|(name, _)| *name == wanted.name.as_ref()).map(|(_, operation)| &operation.node)
    }
}

/// A bounded cache of documents.
#[derive(Clone, Debug)]
pub struct DocumentCache(Cache<DocumentHash, Arc<Document>>);

/// About what a token of a parsed document occupies.
const BYTES_PER_TOKEN: usize = 256;

impl DocumentCache {
    /// A cache that holds about `max_bytes`.
    pub fn new(max_bytes: u64) -> Self {
        let weigher = |_: &DocumentHash, document: &Arc<Document>| u32::try_from(document.tokens * BYTES_PER_TOKEN).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(max_bytes).weigher(weigher).build())
    }

    /// The document of this hash.
    pub fn find(&self, hash: &DocumentHash) -> Option<Arc<Document>> {
        self.0.get(hash)
    }

    /// Keeps a document for those who send it again.
    pub fn insert(&self, hash: DocumentHash, document: Arc<Document>) {
        self.0.insert(hash, document);
    }
}
