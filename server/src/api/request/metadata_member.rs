//! Reads the member `metadata` of a body strictly: an object of strings without duplicates.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::api::problem::quoted;

/// The metadata member: an object of strings without duplicates, or what is wrong with it.
#[derive(Debug)]
pub(super) enum MetadataMember {
    Null,
    Entries(BTreeMap<String, String>),
    Invalid {
        field: String,
        message: &'static str,
    },
}

impl MetadataMember {
    fn not_an_object() -> Self {
        let message = "must be an object whose values are strings";
        Self::Invalid {
            field: "metadata".into(),
            message,
        }
    }
}

impl<'de> Deserialize<'de> for MetadataMember {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = MetadataMember;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object whose values are strings")
    }

    fn visit_unit<E>(self) -> Result<MetadataMember, E> {
        Ok(MetadataMember::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MetadataMember, A::Error> {
        let mut entries = BTreeMap::new();
        let mut invalid = None;
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            let field = quoted(&format!("metadata.{key}"));
            match value {
                Value::String(value) => {
                    if entries.insert(key, value).is_some() {
                        invalid.get_or_insert((field, "must be given only once"));
                    }
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => {
                    invalid.get_or_insert((field, "must be a string"));
                }
            }
        }
        Ok(match invalid {
            None => MetadataMember::Entries(entries),
            Some((field, message)) => MetadataMember::Invalid { field, message },
        })
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<MetadataMember, A::Error> {
        while seq.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(MetadataMember::not_an_object())
    }

    fn visit_bool<E>(self, _: bool) -> Result<MetadataMember, E> {
        Ok(MetadataMember::not_an_object())
    }

    fn visit_u64<E>(self, _: u64) -> Result<MetadataMember, E> {
        Ok(MetadataMember::not_an_object())
    }

    fn visit_i64<E>(self, _: i64) -> Result<MetadataMember, E> {
        Ok(MetadataMember::not_an_object())
    }

    fn visit_f64<E>(self, _: f64) -> Result<MetadataMember, E> {
        Ok(MetadataMember::not_an_object())
    }

    fn visit_str<E>(self, _: &str) -> Result<MetadataMember, E> {
        Ok(MetadataMember::not_an_object())
    }
}
