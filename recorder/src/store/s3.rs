//! A store in a bucket of an S3-compatible server.
//!
//! Every object is put under the condition that there is none of its name (`If-None-Match: *`), so
//! nothing is overwritten, and with its SHA-256, so the server takes it whole or not at all. Wrapped
//! keys and the checkpoint's copy may be replaced; they go into a bucket of their own where objects
//! are locked.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

use object_store::{
    BackoffConfig, ClientOptions, GetOptions, ObjectStore as _, ObjectStoreExt as _, PutMode,
    PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, Checksum},
    client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector},
    path::Path,
    signer::{HeaderValue, Method},
};
use tokio::runtime::Runtime;
use vbranch_domain::Clock;

use super::{ObjectName, S3Settings, Store, StoreError, write_once};

/// Longer counts as unreachable. A server on the bank's own network answers in milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// One request, body included: 16 MiB take this long at 9 Mbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Requests that failed in a way that may pass are sent again so often; the replicator, which has
/// the whole picture, tries again every second anyhow.
const RETRIES: usize = 1;
/// Beyond this the caller is let go of; more than all tries of a request take.
const DEADLINE: Duration = Duration::from_secs(40);
/// See the module's documentation.
pub struct S3Store {
    server: Arc<Server>,
    /// Requests are made by this one thread, whoever waits for them: callers may be anywhere.
    runtime: Option<Runtime>,
    /// Outcome of the test at the first use; an unfit store is not tested again before a restart,
    /// as each test leaves an object that cannot be deleted.
    fit: OnceLock<Result<(), String>>,
}

/// The two buckets, and how they are asked.
pub(super) struct Server {
    pub objects: AmazonS3,
    pub keys: AmazonS3,
    http: HttpClient,
    pub settings: S3Settings,
    clock: Arc<dyn Clock>,
}

impl S3Store {
    /// A store by its settings. Nothing is asked of the server yet.
    pub fn new(settings: &S3Settings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let keys_bucket = settings.keys_bucket.as_ref().unwrap_or(&settings.bucket);
        let http = ReqwestConnector::default().connect(&client_options(settings));
        let server = Server {
            objects: bucket(settings, &settings.bucket)?,
            keys: bucket(settings, keys_bucket)?,
            http: http.map_err(fault)?,
            settings: settings.clone(),
            clock,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-s3")
            .enable_all()
            .build()?;
        Ok(Self { server: Arc::new(server), runtime: Some(runtime), fit: OnceLock::new() })
    }

    /// Runs a request to its end, on the store's own thread.
    fn run<T: Send + 'static, F: Future<Output = Result<T, StoreError>> + Send + 'static>(
        &self,
        request: impl FnOnce(Arc<Server>) -> F,
    ) -> Result<T, StoreError> {
        let (tell, told) = sync_channel(1);
        let request = request(Arc::clone(&self.server));
        let Some(runtime) = &self.runtime else {
            return Err(StoreError::Server("stopped".to_owned()));
        };
        runtime.spawn(async move { drop(tell.send(request.await)) });
        told.recv_timeout(DEADLINE).unwrap_or_else(|error| {
            let what = match error {
                RecvTimeoutError::Timeout => "does not answer",
                RecvTimeoutError::Disconnected => "the request was given up",
            };
            Err(StoreError::Server(what.to_owned()))
        })
    }

    /// An unfit store takes nothing: better an alarm now than evidence that can be deleted.
    fn check_fit(&self) -> Result<(), StoreError> {
        if let Some(known) = self.fit.get() {
            return known.clone().map_err(StoreError::Unfit);
        }
        let verdict = match self.run(|server| async move { write_once::test(&server).await }) {
            Ok(()) => Ok(()),
            Err(StoreError::Unfit(what)) => Err(what),
            // Not known yet: the next use tests again.
            Err(other) => return Err(other),
        };
        let bucket = &self.server.settings.bucket;
        let write_once = self.server.settings.write_once;
        match &verdict {
            Ok(()) => tracing::info!(bucket, write_once, "bucket tested: nothing is overwritten"),
            Err(what) => {
                tracing::error!(bucket, write_once, what, "bucket is not fit for evidence")
            }
        }
        let known = self.fit.get_or_init(|| verdict);
        let is_proven = write_once && known.is_ok();
        metrics::gauge!("vbranch_recorder_store_write_once", "bucket" => bucket.clone())
            .set(if is_proven { 1.0 } else { 0.0 });
        known.clone().map_err(StoreError::Unfit)
    }
}

impl Drop for S3Store {
    fn drop(&mut self) {
        // Wherever the last owner is: waiting for requests that hang is not for it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Store for S3Store {
    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_fit()?;
        let payload = bytes.to_vec();
        let replaceable = name.is_replaceable();
        let path = self.server.path(name.as_str());
        let put = self.run(move |server| async move {
            if replaceable {
                let opts = PutMode::Create.into();
                let put = server.keys.put_opts(&path, payload.into(), opts).await;
                return put.map(drop).map_err(fault);
            }
            server.create(&path, payload, server.settings.lock_days).await.map(drop)
        });
        match put {
            Ok(()) => Ok(()),
            // A try whose answer was lost, or somebody else's object.
            Err(StoreError::Conflict) => match self.get(name, bytes.len() as u64) {
                Ok(there) if there == bytes => Ok(()),
                Ok(_) | Err(StoreError::TooLarge) => Err(StoreError::Conflict),
                Err(other) => Err(other),
            },
            Err(other) => Err(other),
        }
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        let replaceable = name.is_replaceable();
        let path = self.server.path(name.as_str());
        self.run(move |server| async move {
            let bucket = if replaceable { &server.keys } else { &server.objects };
            let found = bucket.get(&path).await.map_err(fault)?;
            if found.meta.size > limit {
                return Err(StoreError::TooLarge);
            }
            Ok(found.bytes().await.map_err(fault)?.to_vec())
        })
    }

    fn len(&self, name: &ObjectName) -> Result<u64, StoreError> {
        let replaceable = name.is_replaceable();
        let path = self.server.path(name.as_str());
        self.run(move |server| async move {
            let bucket = if replaceable { &server.keys } else { &server.objects };
            Ok(bucket.head(&path).await.map_err(fault)?.size)
        })
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_fit()?;
        let path = self.server.path(name.as_str());
        let payload = PutPayload::from(bytes.to_vec());
        self.run(move |server| async move {
            server.keys.put(&path, payload).await.map(drop).map_err(fault)
        })
    }

    fn remove(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.check_fit()?;
        let path = self.server.path(name.as_str());
        self.run(move |server| async move {
            match server.keys.delete(&path).await.map_err(fault) {
                Ok(()) | Err(StoreError::NotFound) => Ok(()),
                Err(other) => Err(other),
            }
        })
    }

    fn probe(&self) -> Result<(), StoreError> {
        self.check_fit()?;
        let path = self.server.path(".probe");
        self.run(move |server| async move {
            // One object for all probes: where it is there already, the server says so only to
            // whom it would let write.
            match server.create(&path, b"vbranch\n".to_vec(), 0).await {
                Ok(_) | Err(StoreError::Conflict) => {}
                Err(other) => return Err(other),
            }
            server.keys.put(&path, "vbranch\n".into()).await.map(drop).map_err(fault)
        })
    }
}

impl Server {
    pub fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.settings.prefix))
    }

    /// Puts an object whose name must be free, locked for so many days. Says which version it
    /// became, where versions are kept.
    pub async fn create(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        lock_days: u32,
    ) -> Result<Option<String>, StoreError> {
        if self.settings.write_once || lock_days > 0 {
            return self.put_locking(path, bytes, lock_days, true).await;
        }
        let put = self.objects.put_opts(path, bytes.into(), PutMode::Create.into()).await;
        Ok(put.map_err(fault)?.version)
    }

    /// Puts an object into a bucket that may lock it. Such a bucket wants to be told by which
    /// algorithm the object is checked, and the library has words neither for that nor for locks:
    /// it signs the request, and that is sent as it is.
    pub async fn put_locking(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        lock_days: u32,
        only_new: bool,
    ) -> Result<Option<String>, StoreError> {
        let until = self.clock.wall().0.saturating_add(i64::from(lock_days) * 86_400_000);
        let until = chrono::DateTime::from_timestamp_millis(until)
            .map(|until| until.format("%Y-%m-%dT%H:%M:%SZ").to_string())
            .ok_or_else(|| StoreError::Server("lock_days is beyond all dates".to_owned()))?;
        let digest = crate::hash::Sha256::of(&bytes);
        let digest = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, digest.0);
        let mut headers = vec![
            ("x-amz-checksum-sha256", digest.as_str()),
            ("x-amz-sdk-checksum-algorithm", "SHA256"),
        ];
        if only_new {
            headers.push(("if-none-match", "*"));
        }
        if lock_days > 0 {
            headers.push(("x-amz-object-lock-mode", "COMPLIANCE"));
            headers.push(("x-amz-object-lock-retain-until-date", until.as_str()));
        }
        let (status, version) = self.signed(Method::PUT, path, &[], &headers, bytes).await?;
        match status {
            200..300 => Ok(version),
            403 => Err(StoreError::Server("access denied".to_owned())),
            404 => Err(StoreError::Server("there is no such bucket".to_owned())),
            // A name taken a moment ago may say 409.
            409 | 412 => Err(StoreError::Conflict),
            other => Err(StoreError::Server(format!("answered {other}"))),
        }
    }

    /// What a version of an object holds.
    pub async fn version(&self, path: &Path, version: &str) -> Result<Vec<u8>, StoreError> {
        let options = GetOptions { version: Some(version.to_owned()), ..GetOptions::default() };
        let found = self.objects.get_opts(path, options).await.map_err(fault)?;
        Ok(found.bytes().await.map_err(fault)?.to_vec())
    }

    /// Sends a request the library has no call for; says the status and the version it made.
    pub async fn signed(
        &self,
        method: Method,
        path: &Path,
        query: &[(&str, &str)],
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<(u16, Option<String>), StoreError> {
        let mut request = HttpRequest::new(HttpRequestBody::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = self
            .address(path, query)
            .parse()
            .map_err(|_| StoreError::Server("an address that cannot be asked".to_owned()))?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| StoreError::Server("a header that cannot be sent".to_owned()))?;
            request.headers_mut().insert(*name, value);
        }
        let credential = self.objects.credentials().get_credential().await.map_err(fault)?;
        AwsAuthorizer::new(&credential, "s3", &self.settings.region)
            .try_authorize(&mut request, None)
            .map_err(fault)?;
        let answer = self.http.execute(request).await;
        let answer = answer.map_err(|error| StoreError::Server(innermost(&error)))?;
        let version = answer.headers().get("x-amz-version-id").and_then(|v| v.to_str().ok());
        Ok((answer.status().as_u16(), version.map(str::to_owned)))
    }
}

impl Server {
    /// Where an object of the bucket is asked for, in path style, which every server has. Names
    /// and prefix need no escaping.
    fn address(&self, path: &Path, query: &[(&str, &str)]) -> String {
        let S3Settings { endpoint, region, bucket, .. } = &self.settings;
        let amazon = format!("https://s3.{region}.amazonaws.com");
        let endpoint = endpoint.as_deref().unwrap_or(&amazon).trim_end_matches('/');
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{endpoint}/{bucket}/{path}{mark}{}", query.join("&"))
    }
}

fn client_options(settings: &S3Settings) -> ClientOptions {
    let plain = settings.endpoint.as_ref().is_some_and(|at| at.starts_with("http://"));
    ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
}

fn bucket(settings: &S3Settings, name: &str) -> Result<AmazonS3, StoreError> {
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: REQUEST_TIMEOUT,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region(&settings.region)
        .with_access_key_id(&settings.access_key)
        .with_secret_access_key(settings.secret_key.expose())
        .with_checksum_algorithm(Checksum::SHA256)
        // A bulk deletion that is refused says so inside an answer of success.
        .with_disable_bulk_delete(true)
        .with_retry(retry)
        .with_client_options(client_options(settings));
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder.build().map_err(fault)
}

/// What went wrong in our own words: answers of servers repeat addresses and names of credentials.
pub(super) fn fault(error: object_store::Error) -> StoreError {
    use object_store::Error as E;
    match error {
        E::NotFound { source, .. } if format!("{source}").contains("NoSuchBucket") => {
            StoreError::Server("there is no such bucket".to_owned())
        }
        E::NotFound { .. } => StoreError::NotFound,
        E::AlreadyExists { .. } | E::Precondition { .. } => StoreError::Conflict,
        E::PermissionDenied { .. } => StoreError::Server("access denied".to_owned()),
        E::Unauthenticated { .. } => StoreError::Server("the credential is refused".to_owned()),
        other => StoreError::Server(innermost(&other)),
    }
}

/// The cause at the bottom, without what a server said of it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    let text = cause.to_string();
    match text.split_once("status code: ") {
        Some((_, status)) => {
            format!("answered {}", status.split(':').next().unwrap_or_default())
        }
        None => text.chars().take(120).collect(),
    }
}
