//! The one way into the schema, for HTTP, WebSocket and server-sent events alike: find the document, check it, execute it, end its errors.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use async_graphql::{
    Data, Error, Executor, Response, ServerError, Value, Variables,
    parser::{parse_query, types::OperationType},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};

use super::{
    answer::{Answer, finish, is_request_error, scan_error, syntax_error, unplaced},
    audited_params,
    auth_level::AuthLevel,
    document_cache::{self, Document, DocumentCache, DocumentHash, Operation},
    error::{self, ErrorCode},
    limits::{self, Limits, kind_name},
    omitted_variables,
    root_fields::{self, Rules, Sensitivity},
    scan,
    schema_facts::{FactsError, SchemaFacts},
    trusted_documents::{TrustedDocuments, parse_hash},
    typename, variables,
};
use crate::flows::caller::Caller;

/// Whether a caller reaches a root field of a level; the error is what the client sees.
pub type Authorize = Arc<dyn Fn(&Caller, AuthLevel, &str) -> Result<(), Error> + Send + Sync>;

/// Writes down who was denied which root field.
pub type NoteDenial = Arc<dyn Fn(Arc<Caller>, String) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the entry goes by.
pub struct EntryConfig {
    /// The numbers.
    pub limits: Limits,
    /// What may not stand together.
    pub sensitivity: Sensitivity,
    /// Whether introspection and suggestions are given.
    pub introspection: bool,
    /// How long an operation may take; a subscription's events have no such limit.
    pub timeout: Duration,
    /// Where given, nothing else runs.
    pub trusted_documents: Option<TrustedDocuments>,
    /// Who may have what; the same rule as the fields' own guards.
    pub authorize: Authorize,
    /// Told of a mutation that somebody asked for without the right to it.
    pub note_denial: NoteDenial,
}

/// The schema behind its limits.
pub struct Entry<E> {
    strict: E,
    trusting: Option<E>,
    facts: SchemaFacts,
    config: EntryConfig,
    documents: DocumentCache,
}

/// About how much memory parsed documents may occupy, in bytes.
const DOCUMENT_CACHE_BYTES: u64 = 8 << 20;

impl<E> fmt::Debug for Entry<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")
    }
}

/// What a client asks, by whichever transport.
#[derive(Debug, Default)]
pub struct Question<'a> {
    /// The document's text.
    pub query: Option<&'a str>,
    /// Or its hash, where documents are trusted.
    pub document_id: Option<&'a str>,
    /// Which of its operations.
    pub operation_name: Option<&'a str>,
    /// Values of its variables.
    pub variables: Variables,
}

/// A question that may be executed, once its caller is known.
#[derive(Debug)]
pub struct Prepared {
    document: Arc<Document>,
    index: usize,
    variables: Variables,
}

impl Prepared {
    /// What will run.
    pub fn kind(&self) -> OperationType {
        self.operation().kind
    }

    /// The name of the operation, if it has one.
    pub fn operation_name(&self) -> Option<&str> {
        self.operation().name.as_deref()
    }

    /// Whether it selects this root field.
    pub fn asks_for(&self, field: &str) -> bool {
        self.operation().root_fields.iter().any(|root| root.name == field)
    }

    fn operation(&self) -> &Operation {
        // `prepare` made the index from this very list.
        &self.document.operations[self.index]
    }
}

impl<E: Executor> Entry<E> {
    /// An entry to the schema of this SDL. `strict` validates everything; `trusting`, if given, is the same schema in the library's fast
    /// validation mode, for documents without variables that `strict` has found valid.
    pub fn new(strict: E, trusting: Option<E>, sdl: &str, config: EntryConfig) -> Result<Self, FactsError> {
        Ok(Self { strict, trusting, facts: SchemaFacts::from_sdl(sdl)?, config, documents: DocumentCache::new(DOCUMENT_CACHE_BYTES) })
    }

    /// What the schema says of itself.
    pub const fn facts(&self) -> &SchemaFacts {
        &self.facts
    }

    /// Finds the document and checks everything that needs no caller.
    pub fn prepare(&self, question: Question<'_>) -> Result<Prepared, ServerError> {
        let document = self.document(&question)?;
        let index = select(&document, question.operation_name).map_err(unplaced)?;
        let prepared = Prepared { document, index, variables: question.variables };
        let operation = prepared.operation();
        if operation.has_variables
            && let Some(definition) = prepared.document.definition(index)
        {
            variables::check(definition, &prepared.variables, &self.facts).map_err(unplaced)?;
            if operation.variable_pages {
                let document = &prepared.document.parsed;
                limits::check_pages(document, definition, &prepared.variables, &self.facts, &self.config.limits).map_err(unplaced)?;
            }
        }
        Ok(prepared)
    }

    fn document(&self, question: &Question<'_>) -> Result<Arc<Document>, ServerError> {
        let asked =
            question.document_id.map(|id| parse_hash(id).ok_or_else(|| unplaced(error::bad_request("The document id is no SHA-256."))));
        let (hash, text) = match (question.query, asked.transpose()?) {
            (Some(text), asked) => {
                let hash = document_cache::hash(text);
                if asked.is_some_and(|asked| asked != hash) {
                    return Err(unplaced(error::bad_request("The document id is not that of the query.")));
                }
                (hash, Some(text))
            }
            (None, Some(hash)) => (hash, self.trusted_text(&hash)),
            (None, None) => return Err(unplaced(error::bad_request("The request has no \"query\"."))),
        };
        if self.config.trusted_documents.as_ref().is_some_and(|trusted| !trusted.contains(&hash)) {
            return Err(unplaced(error::forbidden_because("DOCUMENT_NOT_TRUSTED")));
        }
        // A name for the answer to a hash alone, in the words that clients of persisted queries look for.
        let text =
            text.ok_or_else(|| unplaced(error::bad_request_because("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")))?;
        if let Some(document) = self.documents.find(&hash) {
            return Ok(document);
        }
        let document = Arc::new(self.read(text)?);
        self.documents.insert(hash, Arc::clone(&document));
        Ok(document)
    }

    fn trusted_text(&self, hash: &DocumentHash) -> Option<&str> {
        self.config.trusted_documents.as_ref()?.find(hash).map(AsRef::as_ref)
    }

    fn read(&self, text: &str) -> Result<Document, ServerError> {
        let tokens = scan::scan(text, self.config.limits.tokens).map_err(|refusal| unplaced(scan_error(refusal, &self.config.limits)))?;
        let mut parsed = parse_query(text).map_err(|syntax| syntax_error(&syntax))?;
        typename::check(&parsed).map_err(unplaced)?;
        let verdicts = limits::check(&parsed, &self.facts, &self.config.limits).map_err(unplaced)?;
        let rules = Rules {
            facts: &self.facts,
            limits: &self.config.limits,
            sensitivity: &self.config.sensitivity,
            introspection: self.config.introspection,
        };
        let has_variables = parsed.operations.iter().any(|(_, operation)| !operation.node.variable_definitions.is_empty());
        let operations = parsed
            .operations
            .iter()
            .zip(verdicts)
            .map(|((name, definition), verdict)| {
                let fields = root_fields::check(&parsed, &definition.node, &rules)?;
                Ok(Operation {
                    name: name.cloned(),
                    kind: definition.node.ty,
                    root_fields: fields,
                    variable_pages: verdict.variable_pages,
                    has_variables,
                    defaulted_variables: omitted_variables::find(&parsed, &definition.node, &self.facts),
                    valid: AtomicBool::new(false),
                })
            })
            .collect::<Result<_, Error>>()
            .map_err(unplaced)?;
        if let Some(root) = self.facts.root(OperationType::Subscription) {
            root_fields::inline_subscription_roots(&mut parsed, root).map_err(unplaced)?;
        }
        Ok(Document { parsed, operations, tokens })
    }

    /// Refuses a root field that the caller may not have, before anything runs.
    pub fn authorize(&self, prepared: &Prepared, caller: &Caller) -> Result<(), ServerError> {
        for field in &prepared.operation().root_fields {
            if let Some(level) = field.requires
                && field.runs(&prepared.variables)
            {
                (self.config.authorize)(caller, level, &field.name).map_err(|error| field.refused(error))?;
            }
        }
        Ok(())
    }

    /// Runs a query or mutation. `data` is what resolvers find in their context besides the caller.
    pub async fn execute(&self, prepared: Prepared, caller: &Arc<Caller>, data: Data) -> Answer {
        let kind = prepared.kind();
        let answer = match self.authorize(&prepared, caller) {
            Err(error) => {
                if kind == OperationType::Mutation && ErrorCode::of(&error) == Some(ErrorCode::Forbidden) {
                    let field = prepared.operation().root_fields.iter().find(|field| field.is_at(&error));
                    (self.config.note_denial)(Arc::clone(caller), field.map_or_else(String::new, |field| field.name.to_string())).await;
                }
                self.refuse(error, &caller.request_id)
            }
            Ok(()) => self.run(prepared, caller, data).await,
        };
        count(kind, &answer);
        answer
    }

    async fn run(&self, prepared: Prepared, caller: &Arc<Caller>, data: Data) -> Answer {
        let document = Arc::clone(&prepared.document);
        let operation = &document.operations[prepared.index];
        let executor = self.executor(operation);
        let run = AssertUnwindSafe(executor.execute(self.request(prepared, caller, data))).catch_unwind();
        let response = match tokio::time::timeout(self.config.timeout, run).await {
            Ok(Ok(response)) => response,
            Ok(Err(panic)) => failed(error::internal(panic_message(panic.as_ref()))),
            Err(_) => failed(error::overloaded(Duration::from_secs(1))),
        };
        if !is_request_error(&response) {
            operation.set_valid();
        }
        self.finish(response, caller)
    }

    /// Runs a subscription. The first item comes when there is one; a refusal is an item too, and the last.
    pub fn subscribe(&self, prepared: Prepared, caller: &Arc<Caller>, data: Data) -> BoxStream<'static, Answer>
    where
        E: 'static,
    {
        if let Err(error) = self.authorize(&prepared, caller) {
            let answer = self.refuse(error, &caller.request_id);
            count(OperationType::Subscription, &answer);
            return futures::stream::iter([answer]).boxed();
        }
        let document = Arc::clone(&prepared.document);
        let index = prepared.index;
        let executor = self.executor(&document.operations[index]);
        let items = executor.execute_stream(self.request(prepared, caller, data), None);
        let (caller, suggestions) = (Arc::clone(caller), self.config.introspection);
        let mut has_begun = false;
        // A panic ends the stream with an error instead of the socket's task.
        AssertUnwindSafe(items)
            .catch_unwind()
            .map(move |item| {
                let response = item.unwrap_or_else(|panic| failed(error::internal(panic_message(panic.as_ref()))));
                if !is_request_error(&response) {
                    document.operations[index].set_valid();
                }
                let mut answer = finish(response, &caller.request_id, suggestions);
                answer.stillborn = !has_begun && answer.response.data == Value::Null && !answer.response.errors.is_empty();
                has_begun = true;
                answer
            })
            .boxed()
    }

    fn executor(&self, operation: &Operation) -> &E {
        self.trusting.as_ref().filter(|_| operation.is_valid()).unwrap_or(&self.strict)
    }

    /// The caller as the flows see them: with what a mutation was asked with, for the audit log.
    fn asking(&self, prepared: &Prepared, caller: &Arc<Caller>) -> Arc<Caller> {
        let root = self.facts.root(OperationType::Mutation).filter(|_| prepared.kind() == OperationType::Mutation);
        let (Some(root), Some(definition)) = (root, prepared.document.definition(prepared.index)) else { return Arc::clone(caller) };
        let params = audited_params::of(&prepared.document.parsed, definition, root, &prepared.variables);
        Arc::new(Caller { params: params.map(Arc::new), ..Caller::clone(caller) })
    }

    fn request(&self, prepared: Prepared, caller: &Arc<Caller>, mut data: Data) -> async_graphql::Request {
        data.insert(self.asking(&prepared, caller));
        let operation = &prepared.document.operations[prepared.index];
        let mut document = prepared.document.parsed.clone();
        if !operation.defaulted_variables.is_empty() {
            omitted_variables::remove(&mut document, operation.name.as_ref(), &operation.defaulted_variables, &prepared.variables);
        }
        let mut request = async_graphql::Request::new(String::new()).variables(prepared.variables);
        request.operation_name = operation.name.as_ref().map(ToString::to_string);
        request.data = data;
        request.set_parsed_query(document);
        if self.config.introspection { request } else { request.disable_introspection() }
    }

    /// An answer without execution.
    pub fn refuse(&self, error: ServerError, request_id: &str) -> Answer {
        Answer { refused: true, ..finish(Response::from_errors(vec![error]), request_id, self.config.introspection) }
    }

    fn finish(&self, response: Response, caller: &Caller) -> Answer {
        finish(response, &caller.request_id, self.config.introspection)
    }
}

fn failed(error: Error) -> Response {
    Response::from_errors(vec![unplaced(error)])
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a message"))
}

fn select(document: &Document, name: Option<&str>) -> Result<usize, Error> {
    match (name, document.operations.as_slice()) {
        (None, [_]) => Ok(0),
        (None, _) => Err(error::bad_request("Several operations: \"operationName\" must say which.")),
        (Some(name), operations) => operations
            .iter()
            .position(|operation| operation.name.as_deref() == Some(name))
            .ok_or_else(|| error::bad_request("The document has no operation of that name.")),
    }
}

fn count(kind: OperationType, answer: &Answer) {
    let outcome = match answer.response.errors.first() {
        None => "ok",
        Some(error) => error::ErrorCode::of(error).map_or("error", error::ErrorCode::as_str),
    };
    metrics::counter!("postern_operations_total", "kind" => kind_name(kind), "outcome" => outcome).increment(1);
}
