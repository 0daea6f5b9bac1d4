//! Options of shapes that Actito does not document.

use serde::Deserialize;

/// When an import's file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileCheck {
    /// Before the call is answered: a bad file gets 400.
    BeforeAnswer,
    /// Later: the call gets an id, and the import of a bad file ends with an error and no row taken.
    AfterAnswer,
}

/// What an empty field of an import's CSV does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyField {
    /// It makes the attribute null.
    Empties,
    /// It leaves the attribute as it is.
    Leaves,
}

/// How V5 writes a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum V5Write {
    /// `PATCH …/profiles/{key}`.
    Patch,
    /// `PUT …/profiles/{key}`.
    Put,
}

/// What a profile looks like in V5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemShape {
    /// As in V4: `{"attributes":[{"name":…,"value":…}],…}`.
    Attributes,
    /// One object: `{"profileId":"801","emailAddress":…}`.
    Flat,
}

/// Shape of a pushed body; both are documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadVersion {
    /// `{"id":21,"tableType":…,"data":{…}}`, in bulk an array of those.
    V1,
    /// `{"id":"<uuid>","data":{…}|[…],"_links":{…}}`.
    V2,
}

/// How V5 answers, where nobody knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WireOptions {
    /// Number of the list's first page.
    pub first_page: usize,
    /// Page size when none is asked for.
    pub page_size: usize,
    /// Largest page; a larger one is refused.
    pub max_page_size: usize,
    /// Whether a page says how many profiles and pages there are.
    pub page_totals: bool,
    /// What a profile looks like.
    pub item: ItemShape,
    /// Whether the list takes `attribute=value` filters; when not, they are ignored.
    pub filters: bool,
    /// How a profile is written.
    pub v5_write: V5Write,
    /// Name of the part with an import's file.
    pub file_part: String,
    /// Name of the part with an import's parameters.
    pub parameters_part: String,
}

impl Default for WireOptions {
    fn default() -> Self {
        Self {
            first_page: 0,
            page_size: 100,
            max_page_size: 1000,
            page_totals: true,
            item: ItemShape::Attributes,
            filters: true,
            v5_write: V5Write::Patch,
            file_part: "inputFile".into(),
            parameters_part: "parameters".into(),
        }
    }
}

impl WireOptions {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.first_page <= 1 && (1..=self.max_page_size).contains(&self.page_size) && self.max_page_size <= 10_000 {
            return Ok(());
        }
        Err("first_page must be 0 or 1, page_size 1 to max_page_size, max_page_size at most 10000".into())
    }
}
