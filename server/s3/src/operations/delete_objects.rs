//! DeleteObjects: removes up to 1,000 keys, of any branches, and answers for each.

use std::collections::BTreeMap;

use anabranch_app::{AppError, WriteCondition};
use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error};
use s3s::{S3Error, S3Result, s3_error};

use super::get_object::refuse_version;
use crate::gateway::Call;
use crate::key;

/// The most keys of one request: the limit of S3.
const KEYS_MAX: usize = 1000;

pub(crate) async fn serve(call: &Call<'_>, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
    let bucket = &input.bucket;
    let wanted = input.delete.objects;
    if wanted.is_empty() || wanted.len() > KEYS_MAX {
        return Err(s3_error!(
            MalformedXML,
            "{} keys of bucket {bucket} are to be deleted; one request takes between 1 and {KEYS_MAX}",
            wanted.len()
        ));
    }
    call.app.repository(&call.who, bucket).await.map_err(call.about_bucket(bucket))?;
    let mut refused: BTreeMap<String, S3Error> = BTreeMap::new();
    let mut by_ref: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for object in &wanted {
        if let Err(error) = refuse_version(object.version_id.as_deref(), &object.key) {
            refused.insert(object.key.clone(), error);
        } else if let (Some(etag), Some(target)) = (&object.e_tag, key::split(&object.key)) {
            let condition = WriteCondition::Matches(etag.value().to_owned());
            let deleted =
                call.app.delete_object_if(&call.who, bucket, target.reference, target.path, condition).await;
            if let Err(error) = deleted {
                refused.insert(object.key.clone(), call.about(bucket, &object.key)(error));
            }
        } else if let Some(target) = key::split(&object.key) {
            by_ref.entry(target.reference).or_default().push(target.path.to_owned());
        }
    }
    let (branches, mut denials) = (by_ref.len(), 0);
    for (reference, paths) in by_ref {
        let keys: Vec<String> = paths.iter().map(|path| format!("{reference}/{path}")).collect();
        match call.app.delete_objects(&call.who, bucket, reference, paths).await {
            Ok(answers) => {
                let failures = answers.into_iter().filter_map(|(path, answer)| Some((path, answer.err()?)));
                for (path, error) in failures {
                    let key = format!("{reference}/{path}");
                    let error = call.about(bucket, &key)(error);
                    refused.insert(key, error);
                }
            }
            Err(error) => {
                denials += usize::from(matches!(error, AppError::Denied(_) | AppError::Protected { .. }));
                let error = call.about(bucket, &format!("{reference}/"))(error);
                // Where nothing is permitted, the request is refused as a whole.
                if denials == branches {
                    return Err(error);
                }
                for key in keys {
                    let message = error.message().unwrap_or_default().to_owned();
                    refused.insert(key, S3Error::with_message(error.code().clone(), message));
                }
            }
        }
    }
    Ok(answer(wanted.into_iter().map(|object| object.key), &refused, input.delete.quiet.unwrap_or(false)))
}

fn answer(
    keys: impl Iterator<Item = String>,
    refused: &BTreeMap<String, S3Error>,
    quiet: bool,
) -> DeleteObjectsOutput {
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for key in keys {
        match refused.get(&key) {
            Some(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                message: error.message().map(str::to_owned),
                key: Some(key),
                version_id: None,
            }),
            None if quiet => {}
            None => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
        }
    }
    DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), request_charged: None }
}
