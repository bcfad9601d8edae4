//! GetBucketAcl and GetObjectAcl. Who may do what is decided for principals, not for buckets and objects; clients that
//! look anyhow see that whoever asks owns what is there, and nobody else is named.

use s3s::S3Result;
use s3s::dto::{Grant, Grantee, Permission, Type};

use super::list_buckets::owner;
use crate::gateway::Call;
use crate::key;

fn grants(call: &Call<'_>) -> Vec<Grant> {
    let owner = owner(call);
    let grantee = Grantee {
        display_name: owner.display_name,
        email_address: None,
        id: owner.id,
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    let permission = Some(Permission::from_static(Permission::FULL_CONTROL));
    vec![Grant { grantee: Some(grantee), permission }]
}

pub(crate) mod get_bucket_acl {
    use s3s::dto::{GetBucketAclInput, GetBucketAclOutput};

    use super::{Call, S3Result, grants, owner};

    pub(crate) async fn serve(call: &Call<'_>, input: GetBucketAclInput) -> S3Result<GetBucketAclOutput> {
        call.app.repository(&call.who, &input.bucket).await.map_err(call.about_bucket(&input.bucket))?;
        Ok(GetBucketAclOutput { grants: Some(grants(call)), owner: Some(owner(call)) })
    }
}

pub(crate) mod get_object_acl {
    use s3s::dto::{GetObjectAclInput, GetObjectAclOutput};

    use super::{Call, S3Result, grants, key, owner};

    pub(crate) async fn serve(call: &Call<'_>, input: GetObjectAclInput) -> S3Result<GetObjectAclOutput> {
        let target = key::of_read(&input.bucket, &input.key)?;
        call.app
            .stat(&call.who, &input.bucket, target.reference, target.path)
            .await
            .map_err(call.about(&input.bucket, &input.key))?;
        let (grants, owner) = (Some(grants(call)), Some(owner(call)));
        Ok(GetObjectAclOutput { grants, owner, ..GetObjectAclOutput::default() })
    }
}
