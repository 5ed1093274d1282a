//! Relations between packages: `libc6 (>= 2.36), default-mta | mail-transport-agent, python3:any`.
//! <https://www.debian.org/doc/debian-policy/ch-relationships.html>

use std::cmp::Ordering;
use std::fmt;

use super::version;

/// One package that is named in a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package's name.
    pub name: &'a str,
    /// The architecture after a colon: `any`, `native` or one by name.
    pub qualifier: Option<&'a str>,
    /// The versions that will do.
    pub version: Option<(Operator, &'a str)>,
    /// The architectures on which the relation counts, as between the brackets.
    pub architectures: Option<&'a str>,
}

/// How a version must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>>`
    Greater,
}

/// A relation that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no relation between packages")]
pub struct RelationError(pub String);

/// What a field says: all groups are wanted, and of each group one.
///
/// # Errors
/// A relation cannot be read.
pub fn groups(field: &str) -> Result<Vec<Vec<Relation<'_>>>, RelationError> {
    field
        .split(',')
        .filter(|group| !group.trim().is_empty())
        .map(|group| group.split('|').map(Relation::read).collect())
        .collect()
}

/// What a field names where it has no alternatives: `Provides`, `Conflicts`, `Breaks`.
///
/// # Errors
/// A relation cannot be read.
pub fn list(field: &str) -> Result<Vec<Relation<'_>>, RelationError> {
    field
        .split(',')
        .filter(|relation| !relation.trim().is_empty())
        .map(Relation::read)
        .collect()
}

/// Whether this can be a package's name. Shorter and longer ones than policy allows are let through.
#[must_use]
pub fn is_package_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}

impl<'a> Relation<'a> {
    /// Reads one relation.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(text: &'a str) -> Result<Self, RelationError> {
        Self::parse(text.trim()).ok_or_else(|| RelationError(text.trim().to_owned()))
    }

    fn parse(text: &'a str) -> Option<Self> {
        let (text, architectures) = cut(text, '[', ']')?;
        let (text, version) = cut(text, '(', ')')?;
        let (name, qualifier) = match text.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (text, None),
        };
        let version = match version {
            Some(version) => Some(Operator::read(version)?),
            None => None,
        };
        let fits = is_package_name(name)
            && qualifier.is_none_or(is_package_name)
            && version.is_none_or(|(_, version)| version::is_version(version));
        fits.then_some(Self {
            name,
            qualifier,
            version,
            architectures,
        })
    }

    /// Whether it counts on this architecture.
    #[must_use]
    pub fn counts_on(&self, architecture: &str) -> bool {
        let Some(list) = self.architectures else {
            return true;
        };
        let mut names = list.split_whitespace().peekable();
        let negated = names.peek().is_some_and(|name| name.starts_with('!'));
        let named = names.any(|name| is_architecture(name.trim_start_matches('!'), architecture));
        named != negated
    }

    /// Whether packages of this architecture can meet it, by what stands after the colon.
    #[must_use]
    pub fn is_met_on(&self, architecture: &str) -> bool {
        self.qualifier.is_none_or(|qualifier| {
            matches!(qualifier, "any" | "native") || qualifier == architecture
        })
    }

    /// Whether this version will do.
    #[must_use]
    pub fn admits(&self, version: &str) -> bool {
        self.version
            .is_none_or(|(operator, wanted)| operator.holds(version::compare(version, wanted)))
    }

    /// Whether what is provided will do: without a version it is of none.
    #[must_use]
    pub fn admits_provided(&self, version: Option<&str>) -> bool {
        match version {
            Some(version) => self.admits(version),
            None => self.version.is_none(),
        }
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((operator, version)) = self.version {
            write!(f, " ({} {version})", operator.sign())?;
        }
        if let Some(architectures) = self.architectures {
            write!(f, " [{architectures}]")?;
        }
        Ok(())
    }
}

impl Operator {
    /// How it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">>",
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }

    /// The operator and the version after it. A single `<` or `>` is an old way to write `<=` and `>=`.
    fn read(text: &str) -> Option<(Self, &str)> {
        let signs = [
            ("<<", Self::Less),
            (">>", Self::Greater),
            ("<=", Self::LessOrEqual),
            (">=", Self::GreaterOrEqual),
            ("=", Self::Equal),
            ("<", Self::LessOrEqual),
            (">", Self::GreaterOrEqual),
        ];
        signs
            .into_iter()
            .find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?.trim_start())))
    }
}

/// Cuts what stands between brackets off the end.
fn cut(text: &str, open: char, close: char) -> Option<(&str, Option<&str>)> {
    match text.strip_suffix(close) {
        Some(text) => {
            let (before, inner) = text.split_once(open)?;
            Some((before.trim_end(), Some(inner.trim())))
        }
        None => Some((text, None)),
    }
}

/// `amd64` is `amd64`, `any`, `linux-any` and `any-amd64`.
fn is_architecture(pattern: &str, architecture: &str) -> bool {
    match pattern.split_once('-') {
        Some((system, "any")) => matches!(system, "linux" | "any"),
        Some(("any", machine)) => machine == architecture,
        _ => pattern == "any" || pattern == architecture,
    }
}
