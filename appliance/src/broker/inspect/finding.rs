//! One thing that is not as it should be in a data folder.
use std::fmt;

/// Where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the data folder.
    pub path: String,
    /// Bytes from its beginning, where that can be told.
    pub offset: Option<u64>,
    /// What is wrong there.
    pub what: String,
    /// How bad that is.
    pub weight: Weight,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Something that was acknowledged cannot be read, or what was written is not there.
    Damage,
    /// What a crash may leave behind: the next start puts it in order by itself.
    Leftover,
}

impl Finding {
    /// Damage at a place in a file.
    #[must_use]
    pub fn damage(path: &str, offset: impl Into<Option<u64>>, what: impl fmt::Display) -> Self {
        let (path, what) = (path.to_owned(), what.to_string());
        Self { path, offset: offset.into(), what, weight: Weight::Damage }
    }

    /// Something that a crash left behind.
    #[must_use]
    pub fn leftover(path: &str, offset: impl Into<Option<u64>>, what: impl fmt::Display) -> Self {
        Self { weight: Weight::Leftover, ..Self::damage(path, offset, what) }
    }

    /// Whether it is damage.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.weight == Weight::Damage
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Damage => "DAMAGE",
            Weight::Leftover => "leftover",
        };
        match self.offset {
            Some(offset) => write!(f, "{weight}: {} at byte {offset}: {}", self.path, self.what),
            None => write!(f, "{weight}: {}: {}", self.path, self.what),
        }
    }
}
