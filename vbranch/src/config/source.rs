//! Where settings come from: a TOML file, overlaid by `VBRANCH_<SECTION>_<KEY>` variables.
//!
//! Every setting is asked for once; what cannot be read is noted, and so is what nobody asked
//! for, so that all mistakes are reported together before anything starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

const PREFIX: &str = "VBRANCH_";

/// All mistakes of a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} mistake{} in the configuration:", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  - {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

/// A setting's text and where it was written.
#[derive(Debug, Clone)]
struct Entry {
    text: String,
    origin: String,
}

/// Settings not yet turned into types.
#[derive(Debug, Default)]
pub struct Source {
    entries: BTreeMap<(String, String), Entry>,
    asked: BTreeSet<(String, String)>,
    mistakes: Vec<String>,
}

impl Source {
    /// Takes the text of the file, where there is one.
    pub fn with_file(mut self, name: &str, text: &str) -> Self {
        match text.parse::<toml::Table>() {
            Ok(table) => self.take_table(name, table),
            Err(error) => self.mistakes.push(format!("{name} is not TOML: {}", error.message())),
        }
        self
    }

    /// Takes environment variables; those of other programs are left alone.
    pub fn with_env(mut self, variables: impl Iterator<Item = (String, String)>) -> Self {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let Some((section, key)) = rest.split_once('_') else { continue };
            let at = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
            self.entries.insert(at, Entry { text, origin: name });
        }
        self
    }

    /// A setting, or its default. `expected` completes "… is not".
    pub fn get<T>(
        &mut self,
        section: &str,
        key: &str,
        default: T,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let at = (section.to_owned(), key.to_owned());
        let entry = self.entries.get(&at).cloned();
        self.asked.insert(at);
        let Some(Entry { text, origin }) = entry else { return default };
        parse(&text).unwrap_or_else(|| {
            self.mistakes.push(format!("{origin}: `{text}` is not {expected}"));
            default
        })
    }

    /// A setting whose type reads itself from text.
    pub fn parse<T: FromStr>(&mut self, section: &str, key: &str, default: T, expected: &str) -> T {
        self.get(section, key, default, expected, |text| text.parse().ok())
    }

    /// Notes a mistake that only shows when settings are seen together.
    pub fn mistake(&mut self, text: String) {
        self.mistakes.push(text);
    }

    /// Everything that was wrong, settings nobody knows included.
    pub fn finish(self) -> Result<(), Mistakes> {
        let mut mistakes = self.mistakes;
        let sections: BTreeSet<&String> = self.asked.iter().map(|(section, _)| section).collect();
        for ((section, key), entry) in &self.entries {
            if self.asked.contains(&(section.clone(), key.clone())) {
                continue;
            }
            // Variables of the tests and set-up scripts share the prefix but no section.
            if entry.origin.starts_with(PREFIX) && !sections.contains(section) {
                continue;
            }
            mistakes.push(format!("{}: there is no such setting", entry.origin));
        }
        if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
    }

    fn take_table(&mut self, name: &str, table: toml::Table) {
        for (section, value) in table {
            let toml::Value::Table(keys) = value else {
                self.mistakes.push(format!("{name}: `{section}` stands outside a [section]"));
                continue;
            };
            self.take_keys(name, &section, "", keys);
        }
    }

    /// A table within a section stands for keys that begin with its name: `[a.b] c` is `[a] b_c`,
    /// and `VBRANCH_A_B_C` as a variable.
    fn take_keys(&mut self, name: &str, section: &str, prefix: &str, keys: toml::Table) {
        for (key, value) in keys {
            let key = format!("{prefix}{key}");
            let origin = format!("{name} [{section}] {key}");
            match (text_of(&value), value) {
                (Some(text), _) => {
                    self.entries.insert((section.to_owned(), key), Entry { text, origin });
                }
                (None, toml::Value::Table(keys)) if prefix.is_empty() => {
                    self.take_keys(name, section, &format!("{key}_"), keys);
                }
                _ => self.mistakes.push(format!("{origin}: this kind of value is not used")),
            }
        }
    }
}

/// Lists become comma-separated text, as in a variable.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(s) => Some(s.clone()),
        toml::Value::Integer(i) => Some(i.to_string()),
        toml::Value::Float(f) => Some(f.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        toml::Value::Array(items) => {
            Some(items.iter().map(text_of).collect::<Option<Vec<_>>>()?.join(","))
        }
        _ => None,
    }
}
