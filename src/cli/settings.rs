//! Settings: flag > environment > the user's file > the system's file > default. Each value knows
//! where it comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use trustnet_api::dns::DnsSection;
use trustnet_core::suggest::nearest;
use trustnet_core::vm::{IMAGE_POOL, VM_POOL};

use crate::args::{Color, Global, Output, Places, VirtType, parse_duration, pool_name};
use crate::env::Env;
use crate::failure::{Exit, Failure};

/// The settings, complete.
#[derive(Debug)]
pub struct Settings {
    /// The connection URI.
    pub connect: Setting<String>,
    /// Who executes the guest's instructions.
    pub virt_type: Setting<VirtType>,
    /// The form of the output.
    pub output: Setting<Output>,
    /// When to use colour.
    pub color: Setting<Color>,
    /// How long to wait for a guest.
    pub timeout: Setting<Duration>,
    /// The storage pool of VMs' volumes.
    pub pool: Setting<String>,
    /// The storage pool of images.
    pub image_pool: Setting<String>,
}

/// What a verb's own flags say.
#[derive(Debug, Default)]
pub struct Said {
    /// How long to wait for a guest.
    pub timeout: Option<Duration>,
    /// Where disks and images are.
    pub places: Places,
}

/// A value, and where it comes from.
#[derive(Debug)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag(&'static str),
    /// The environment.
    Env(&'static str),
    /// A file.
    File(PathBuf),
    /// Built in.
    Default,
}

/// What a configuration file says: each value as it is written, by its key, and who keeps the network's zone.
#[derive(Debug, Default)]
struct ConfigFile {
    values: BTreeMap<String, Option<String>>,
    dns: Option<DnsSection>,
}

impl<'de> Deserialize<'de> for ConfigFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = ConfigFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings by their keys")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConfigFile, A::Error> {
                let mut file = ConfigFile::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == DNS {
                        file.dns = map.next_value()?;
                    } else if KEYS.contains(&key.as_str()) {
                        file.values.insert(key, map.next_value()?);
                    } else {
                        // Whatever it is: nobody reads it, and its key is told.
                        map.next_value::<IgnoredAny>()?;
                        file.values.insert(key, None);
                    }
                }
                Ok(file)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// The key of a configuration file that is no single value.
const DNS: &str = "dns";

/// The keys of a configuration file.
const KEYS: [&str; 7] = [
    "connect",
    "virtType",
    "output",
    "color",
    "timeout",
    "pool",
    "imagePool",
];

/// The default wait: three times what a guest takes without KVM on a busy machine.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// A file cannot be read, or a value is not one.
    pub fn load(global: &Global, said: &Said, env: &Env) -> Result<Self, Failure> {
        let files: Vec<(PathBuf, ConfigFile)> = config_paths(env)
            .into_iter()
            .filter_map(|path| read(&path).transpose())
            .collect::<Result<_, _>>()?;
        let layers = Layers { env, files: &files };
        Ok(Self {
            connect: layers
                .pick(
                    "--connect",
                    global.connect.clone(),
                    "TRUSTNET_VM_CONNECT",
                    "connect",
                    uri,
                )?
                .unwrap_or_else(|| Setting::default("qemu:///session".to_owned())),
            virt_type: layers
                .pick(
                    "--virt-type",
                    global.virt_type,
                    "TRUSTNET_VM_VIRT_TYPE",
                    "virtType",
                    word,
                )?
                .unwrap_or_else(|| Setting::default(VirtType::Auto)),
            output: layers
                .pick(
                    "--output",
                    global.output,
                    "TRUSTNET_VM_OUTPUT",
                    "output",
                    word,
                )?
                .unwrap_or_else(|| Setting::default(Output::Table)),
            color: layers
                .pick("--color", global.color, "TRUSTNET_VM_COLOR", "color", word)?
                .unwrap_or_else(|| Setting::default(Color::Auto)),
            timeout: layers
                .pick(
                    "--timeout",
                    said.timeout,
                    "TRUSTNET_VM_TIMEOUT",
                    "timeout",
                    parse_duration,
                )?
                .unwrap_or_else(|| Setting::default(DEFAULT_TIMEOUT)),
            pool: layers
                .pick(
                    "--pool",
                    said.places.pool.clone(),
                    "TRUSTNET_VM_POOL",
                    "pool",
                    pool_name,
                )?
                .unwrap_or_else(|| Setting::default(VM_POOL.to_owned())),
            image_pool: layers
                .pick(
                    "--image-pool",
                    said.places.image_pool.clone(),
                    "TRUSTNET_VM_IMAGE_POOL",
                    "imagePool",
                    pool_name,
                )?
                .unwrap_or_else(|| Setting::default(IMAGE_POOL.to_owned())),
        })
    }

    /// Key, value and source of each, for `config show`.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String, String)> {
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map_or_else(String::new, |value| value.get_name().to_owned())
        };
        vec![
            (
                "connect",
                self.connect.value.clone(),
                self.connect.source.to_string(),
            ),
            (
                "virtType",
                name(&|| self.virt_type.value.to_possible_value()),
                self.virt_type.source.to_string(),
            ),
            (
                "output",
                name(&|| self.output.value.to_possible_value()),
                self.output.source.to_string(),
            ),
            (
                "color",
                name(&|| self.color.value.to_possible_value()),
                self.color.source.to_string(),
            ),
            (
                "timeout",
                format!("{}s", self.timeout.value.as_secs_f64()),
                self.timeout.source.to_string(),
            ),
            (
                "pool",
                self.pool.value.clone(),
                self.pool.source.to_string(),
            ),
            (
                "imagePool",
                self.image_pool.value.clone(),
                self.image_pool.source.to_string(),
            ),
        ]
    }
}

impl<T> Setting<T> {
    fn default(value: T) -> Self {
        Self {
            value,
            source: Source::Default,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

struct Layers<'a> {
    env: &'a Env,
    files: &'a [(PathBuf, ConfigFile)],
}

impl Layers<'_> {
    fn pick<T>(
        &self,
        flag_name: &'static str,
        flag: Option<T>,
        env_name: &'static str,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Setting<T>>, Failure> {
        if let Some(value) = flag {
            return Ok(Some(Setting {
                value,
                source: Source::Flag(flag_name),
            }));
        }
        let written = match self.env.text(env_name).filter(|text| !text.is_empty()) {
            Some(text) => Some((text, Source::Env(env_name))),
            None => self.files.iter().find_map(|(path, file)| {
                let text = file.values.get(key)?.clone()?;
                Some((text, Source::File(path.clone())))
            }),
        };
        let Some((text, source)) = written else {
            return Ok(None);
        };
        match parse(&text) {
            Ok(value) => Ok(Some(Setting { value, source })),
            Err(why) => Err(Failure::new(
                Exit::Usage,
                format!("failed to read `{text}` from {source}: {why}"),
            )),
        }
    }
}

fn uri(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        // libvirt would choose by itself, and what is known of VMs goes by the URI.
        return Err("expected a URI such as qemu:///session".to_owned());
    }
    Ok(text.to_owned())
}

fn word<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, true).map_err(|_| {
        let known: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|v| v.to_possible_value())
            .map(|v| v.get_name().to_owned())
            .collect();
        format!("expected one of {}", known.join(", "))
    })
}

/// Who keeps the network's zone, as the first configuration file says it that does, with that file.
///
/// # Errors
/// A file cannot be read.
pub fn dns(env: &Env) -> Result<Option<(PathBuf, DnsSection)>, Failure> {
    for path in config_paths(env) {
        if let Some((path, ConfigFile { dns: Some(dns), .. })) = read(&path)? {
            return Ok(Some((path, dns)));
        }
    }
    Ok(None)
}

fn config_paths(env: &Env) -> Vec<PathBuf> {
    let user = env
        .paths
        .as_ref()
        .map(|paths| paths.config.join("config.yaml"));
    user.into_iter()
        .chain([env.etc.join("trustnet-vm/config.yaml")])
        .collect()
}

fn read(path: &Path) -> Result<Option<(PathBuf, ConfigFile)>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::new(
                Exit::Usage,
                format!("failed to read `{}`: {error}", path.display()),
            ));
        }
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let bad = |why: String| {
        Failure::new(
            Exit::Usage,
            format!("failed to read `{}`: {why}", path.display()),
        )
    };
    let file: ConfigFile = serde_saphyr::from_str(&text).map_err(|error| {
        bad(error
            .without_snippet()
            .render_with_formatter(&serde_saphyr::UserMessageFormatter))
    })?;
    if let Some(unknown) = file.values.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let failure = bad(format!("the key `{unknown}` is not known"));
        return Err(match nearest(unknown, KEYS.into_iter().chain([DNS])) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("known are {}, {DNS}", KEYS.join(", "))),
        });
    }
    Ok(Some((path.to_owned(), file)))
}
