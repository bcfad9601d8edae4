//! The file actions: `add`, `remove` and `cdc`, and the deletion vectors that they name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::{DataPath, RawObject};

/// A deletion vector as a file action names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletionVector {
    /// Names the vector: storage type, place and offset. A file is live as a pair of path and this.
    pub id: String,
    /// Where its bits lie.
    pub storage: VectorStorage,
    /// How many rows it deletes.
    pub cardinality: i64,
}

/// Where the bits of a deletion vector lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VectorStorage {
    /// In the action itself.
    Inline,
    /// In an object below the table root.
    Object(String),
    /// Behind an absolute address.
    Absolute(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VectorFields<'a> {
    #[serde(borrow)]
    storage_type: Cow<'a, str>,
    #[serde(borrow)]
    path_or_inline_dv: Cow<'a, str>,
    offset: Option<i64>,
    cardinality: i64,
}

impl VectorFields<'_> {
    fn build(&self) -> Result<DeletionVector, String> {
        let storage = match self.storage_type.as_ref() {
            "i" => VectorStorage::Inline,
            "u" => VectorStorage::Object(vector_object(&self.path_or_inline_dv)?),
            "p" => match DataPath::parse(&self.path_or_inline_dv)? {
                DataPath::Absolute(path) => VectorStorage::Absolute(path),
                DataPath::Relative(path) => VectorStorage::Object(path),
            },
            other => return Err(format!("storage type {other:?} of a deletion vector is unknown")),
        };
        let offset = self.offset.map(|offset| format!("@{offset}")).unwrap_or_default();
        let id = format!("{}{}{offset}", self.storage_type, self.path_or_inline_dv);
        Ok(DeletionVector { id, storage, cardinality: self.cardinality })
    }
}

/// The object of a deletion vector that is named by a prefix and a z85-encoded UUID.
fn vector_object(place: &str) -> Result<String, String> {
    let bad = || format!("{:?} names no deletion vector", super::path::shown(place));
    let split = place.len().checked_sub(20).ok_or_else(bad)?;
    let (prefix, encoded) = place.split_at_checked(split).ok_or_else(bad)?;
    let bytes = z85::decode(encoded).map_err(|_| bad())?;
    let hex = hex::encode(bytes);
    let parts = [hex.get(0..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..32)];
    let uuid = parts.into_iter().collect::<Option<Vec<_>>>().ok_or_else(bad)?.join("-");
    let path = match prefix {
        "" => format!("deletion_vector_{uuid}.bin"),
        prefix => format!("{prefix}/deletion_vector_{uuid}.bin"),
    };
    match DataPath::parse(&path)? {
        DataPath::Relative(path) => Ok(path),
        DataPath::Absolute(_) => Err(bad()),
    }
}

/// A file that became live, or is live. The body is kept as it was written.
#[derive(Clone, Debug)]
pub struct Add {
    /// By which actions on one file are recognised: the decoded path.
    pub key: Arc<str>,
    /// Where it lies.
    pub path: DataPath,
    /// The rows that it hides.
    pub vector: Option<DeletionVector>,
    /// Its size in bytes, as the log says.
    pub size: i64,
    /// Whether the commit changed rows, or only arranged them.
    pub data_change: bool,
    /// The action's JSON object as text.
    pub body: Arc<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddFields<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    size: i64,
    data_change: bool,
    #[serde(borrow)]
    deletion_vector: Option<VectorFields<'a>>,
}

/// The statistics of a file that merging needs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    /// How many rows the file holds, deleted ones included.
    pub num_records: Option<i64>,
}

impl Add {
    /// Reads the body of an `add`.
    pub fn parse(body: &str) -> Result<Add, String> {
        let fields: AddFields<'_> = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let path = DataPath::parse(&fields.path)?;
        let vector = fields.deletion_vector.as_ref().map(VectorFields::build).transpose()?;
        Ok(Add {
            key: path.key().into(),
            path,
            vector,
            size: fields.size,
            data_change: fields.data_change,
            body: body.into(),
        })
    }

    /// The deletion vector's name; the empty text for none. Together with the key it is the file's identity.
    pub fn vector_id(&self) -> &str {
        self.vector.as_ref().map(|vector| vector.id.as_str()).unwrap_or_default()
    }

    /// Whether both are the same live file: path and deletion vector.
    pub fn same_file(&self, other: &Add) -> bool {
        self.key == other.key && self.vector_id() == other.vector_id()
    }

    /// The body as an object.
    pub fn object(&self) -> Result<RawObject, String> {
        RawObject::parse(&self.body)
    }

    /// The rows of the file that are not deleted; `None` without usable statistics.
    pub fn live_rows(&self) -> Option<u64> {
        let stored = self.stored_rows()?;
        let deleted = self.vector.as_ref().map_or(0, |vector| vector.cardinality);
        u64::try_from(stored.checked_sub(deleted)?).ok()
    }

    /// The rows that the file holds, deleted ones included; `None` without usable statistics.
    pub fn stored_rows(&self) -> Option<i64> {
        let stats: String = self.object().ok()?.read("stats").ok()??;
        let stats: Stats = serde_json::from_str(&stats).ok()?;
        stats.num_records.filter(|rows| *rows >= 0)
    }

    /// The partition of the file: column to value, where the empty text and null are one.
    pub fn partition(&self) -> Option<BTreeMap<String, Option<String>>> {
        let values: BTreeMap<String, Option<String>> =
            self.object().ok()?.read("partitionValues").ok()?.unwrap_or_default();
        Some(values.into_iter().map(|(name, value)| (name, value.filter(|text| !text.is_empty()))).collect())
    }
}

/// A file that ceased to be live. The body is kept as it was written.
#[derive(Clone, Debug)]
pub struct Remove {
    /// By which actions on one file are recognised: the decoded path.
    pub key: Arc<str>,
    /// Where it lies.
    pub path: DataPath,
    /// The deletion vector of the pair that is removed.
    pub vector: Option<DeletionVector>,
    /// Whether the commit changed rows, or only arranged them.
    pub data_change: bool,
    /// The action's JSON object as text.
    pub body: Arc<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoveFields<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    data_change: bool,
    #[serde(borrow)]
    deletion_vector: Option<VectorFields<'a>>,
}

/// The fields of a `remove` that are taken from the live `add` of the file.
const REMOVE_FIELDS_OF_ADD: [&str; 5] =
    ["partitionValues", "size", "tags", "baseRowId", "defaultRowCommitVersion"];

impl Remove {
    /// Reads the body of a `remove`.
    pub fn parse(body: &str) -> Result<Remove, String> {
        let fields: RemoveFields<'_> = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let path = DataPath::parse(&fields.path)?;
        let vector = fields.deletion_vector.as_ref().map(VectorFields::build).transpose()?;
        Ok(Remove {
            key: path.key().into(),
            path,
            vector,
            data_change: fields.data_change,
            body: body.into(),
        })
    }

    /// The deletion vector's name; the empty text for none.
    pub fn vector_id(&self) -> &str {
        self.vector.as_ref().map(|vector| vector.id.as_str()).unwrap_or_default()
    }

    /// The removal of `live`: its own path, deletion vector, size, partition and row ids, at a new time.
    ///
    /// What the given body says beyond that, unknown fields included, stays. A removal that named another
    /// spelling or another deletion vector than the live one would be without effect on readers.
    pub fn of_live(
        live: &Add,
        body: Option<&str>,
        deletion_ms: i64,
        data_change: bool,
    ) -> Result<String, String> {
        let add = live.object()?;
        let mut remove = body.map_or_else(|| Ok(RawObject::default()), RawObject::parse)?;
        let path = add.get("path").ok_or("an add without a path")?;
        remove.set_raw("path", path.to_owned());
        remove.set("deletionTimestamp", &deletion_ms)?;
        remove.set("dataChange", &data_change)?;
        remove.set("extendedFileMetadata", &true)?;
        for field in REMOVE_FIELDS_OF_ADD.into_iter().chain(["deletionVector"]) {
            match add.get(field) {
                Some(value) => remove.set_raw(field, value.to_owned()),
                None => remove.remove(field),
            }
        }
        Ok(remove.to_text())
    }
}

/// A file of change data. The body is kept as it was written.
#[derive(Clone, Debug)]
pub struct Cdc {
    /// Where it lies.
    pub path: DataPath,
    /// The action's JSON object as text.
    pub body: Arc<str>,
}

impl Cdc {
    /// Reads the body of a `cdc`.
    pub fn parse(body: &str) -> Result<Cdc, String> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow)]
            path: Cow<'a, str>,
        }
        let fields: Fields<'_> = serde_json::from_str(body).map_err(|error| error.to_string())?;
        Ok(Cdc { path: DataPath::parse(&fields.path)?, body: body.into() })
    }
}
