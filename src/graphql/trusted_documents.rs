//! Trusted documents: where a deployment names its operations beforehand, no other one runs.

use std::{collections::HashMap, fs, io, path::Path, sync::Arc};

use serde::Deserialize;

use super::document_cache::{DocumentHash, hash};

/// The operations of a deployment, by the SHA-256 of their text.
#[derive(Clone, Debug, Default)]
pub struct TrustedDocuments(Arc<HashMap<DocumentHash, Arc<str>>>);

/// Why a folder of documents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustedDocumentsError {
    /// A file or the folder cannot be read.
    #[error("trusted documents cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A JSON file is neither a map from hash to document nor a manifest of Apollo's.
    #[error("{file} is no list of documents: {cause}")]
    Format {
        /// Its name.
        file: String,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// An id is not the SHA-256 of its document.
    #[error("{file}: {id} is not the SHA-256 of its document")]
    Hash {
        /// The file's name.
        file: String,
        /// The id.
        id: String,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Apollo { operations: Vec<ApolloOperation> },
    Codegen(HashMap<String, String>),
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

impl TrustedDocuments {
    /// Reads every `.json` file of a folder (maps from hash to document, or Apollo's manifests) and every `.graphql` file (one document).
    pub fn read(folder: &Path) -> Result<Self, TrustedDocumentsError> {
        let mut documents = HashMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("graphql") => {
                    let text = fs::read_to_string(&path)?;
                    documents.insert(hash(&text), Arc::from(text));
                }
                Some("json") => {
                    let manifest = serde_json::from_slice(&fs::read(&path)?);
                    let named = match manifest.map_err(|cause| TrustedDocumentsError::Format { file: file.clone(), cause })? {
                        Manifest::Codegen(map) => map.into_iter().collect::<Vec<_>>(),
                        Manifest::Apollo { operations } => operations.into_iter().map(|operation| (operation.id, operation.body)).collect(),
                    };
                    for (id, text) in named {
                        let known = hash(&text);
                        if parse_hash(&id) != Some(known) {
                            return Err(TrustedDocumentsError::Hash { file, id });
                        }
                        documents.insert(known, Arc::from(text));
                    }
                }
                _ => {}
            }
        }
        Ok(Self(Arc::new(documents)))
    }

    /// The document of a hash.
    pub fn find(&self, hash: &DocumentHash) -> Option<&Arc<str>> {
        self.0.get(hash)
    }

    /// Whether a document may run.
    pub fn contains(&self, hash: &DocumentHash) -> bool {
        self.0.contains_key(hash)
    }
}

/// A hash in hexadecimal, with or without `sha256:` before it.
pub fn parse_hash(id: &str) -> Option<DocumentHash> {
    let mut hash = DocumentHash::default();
    hex::decode_to_slice(id.strip_prefix("sha256:").unwrap_or(id), &mut hash).ok()?;
    Some(hash)
}
