//! Where pictures lie: a folder, or a bucket of an S3-compatible storage.

use std::{path::Path as FilePath, sync::Arc, time::Duration};

use bytes::Bytes;
use entity::Timestamp;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    Attribute, Attributes, ClientOptions, ObjectStore, ObjectStoreExt, PutOptions, PutPayload, RetryConfig, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path,
};
use secrecy::ExposeSecret;

use crate::config::Avatars;

/// Within a request, a storage has this long.
const TIMEOUT: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEY_BYTES: usize = 16;

/// The storage does not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("the storage of pictures: {0}")]
pub struct PictureFault(#[from] object_store::Error);

/// The storage. Clones share it.
#[derive(Clone, Debug)]
pub struct Pictures {
    store: Arc<dyn ObjectStore>,
    place: Path,
    keeps_types: bool,
}

/// A key of a picture is its only secret, and says what it is: 32 hexadecimal digits, a dot, `jpg` or `png`.
#[must_use]
pub fn is_key(key: &str) -> bool {
    key.split_once('.').is_some_and(|(name, extension)| {
        name.len() == 2 * KEY_BYTES
            && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            && matches!(extension, "jpg" | "png")
    })
}

/// A key of 16 random bytes.
#[must_use]
pub fn key(random: [u8; KEY_BYTES], extension: &str) -> String {
    format!("{}.{extension}", hex::encode(random))
}

impl Pictures {
    /// Opens the storage of the settings; nothing is asked of it yet.
    pub fn open(settings: &Avatars) -> Result<Self, PictureFault> {
        let Some(s3) = &settings.s3 else { return Self::in_folder(&settings.folder) };
        let allow_http = s3.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http");
        let client = ClientOptions::new().with_timeout(TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT).with_allow_http(allow_http);
        let retry = RetryConfig { max_retries: 2, retry_timeout: TIMEOUT, ..RetryConfig::default() };
        let mut builder = match &s3.key {
            // Only then is the machine's own environment asked.
            None => AmazonS3Builder::from_env(),
            Some((id, secret)) => AmazonS3Builder::new().with_access_key_id(id.as_str()).with_secret_access_key(secret.expose_secret()),
        };
        builder =
            builder.with_bucket_name(s3.bucket.as_str()).with_region(s3.region.as_str()).with_client_options(client).with_retry(retry);
        if let Some(endpoint) = &s3.endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        Ok(Self { store: Arc::new(builder.build()?), place: Path::from(s3.prefix.as_str()), keeps_types: true })
    }

    fn in_folder(folder: &FilePath) -> Result<Self, PictureFault> {
        let absolute =
            std::path::absolute(folder).map_err(|source| object_store::Error::Generic { store: "folder", source: Box::new(source) })?;
        let place = Path::from_absolute_path(absolute).map_err(object_store::Error::from)?;
        Ok(Self { store: Arc::new(LocalFileSystem::new()), place, keeps_types: false })
    }

    fn at(&self, key: &str) -> Path {
        self.place.clone().join(key)
    }

    /// Keeps a picture.
    pub async fn put(&self, key: &str, bytes: Vec<u8>, mime_type: &'static str) -> Result<(), PictureFault> {
        let attributes = if self.keeps_types { Attributes::from_iter([(Attribute::ContentType, mime_type)]) } else { Attributes::new() };
        self.store.put_opts(&self.at(key), PutPayload::from(bytes), PutOptions { attributes, ..PutOptions::default() }).await?;
        Ok(())
    }

    /// A picture; `None` where there is none of this key.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, PictureFault> {
        match self.store.get(&self.at(key)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets a picture; one that is not there is forgotten already.
    pub async fn delete(&self, key: &str) -> Result<(), PictureFault> {
        match self.store.delete(&self.at(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The keys of pictures that were kept before `before`, in no order. What has another name is somebody else's.
    pub fn list_older(&self, before: Timestamp) -> BoxStream<'static, Result<String, PictureFault>> {
        let listed = self.store.list(Some(&self.place)).map_err(PictureFault::from);
        let keys = listed.try_filter_map(move |object| async move {
            let key = object.location.filename().filter(|key| is_key(key)).map(str::to_owned);
            Ok(key.filter(|_| object.last_modified.timestamp_millis() < before.millis()))
        });
        keys.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_are_keys() {
        let real = key([0xab; KEY_BYTES], "jpg");
        assert!(is_key(&real) && is_key(&real.replace("jpg", "png")));
        for wrong in
            ["", "jpg", ".jpg", "../../etc/passwd", &real.replace("jpg", "svg"), &real.to_uppercase(), &real[1..], &format!("{real}.jpg")]
        {
            assert!(!is_key(wrong), "{wrong}");
        }
    }
}
