//! Every setting of the server: its name, its default, what it may be.

mod recorder;
mod source;

use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};

pub use recorder::Recorder;
pub use source::{Mistakes, Source};

/// All settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[http]`
    pub http: Http,
    /// `[media]`
    pub media: Media,
    /// `[data]`
    pub data: Data,
    /// `[recorder]`
    pub recorder: Recorder,
    /// `[kyc]`
    pub kyc: Kyc,
    /// `[branch]`
    pub branch: Branch,
    /// `[log]`
    pub log: Log,
}

/// `[http]`: pages, API and WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// `listen`: address and port. Default 127.0.0.1:8080; put a TLS proxy in front for others.
    pub listen: SocketAddr,
    /// `origins`: origins that pages may come from. Empty: whatever `Host` says.
    pub origins: Vec<String>,
    /// `cookie_secure`: mark the session cookie `Secure`; set it wherever HTTPS is used.
    pub cookie_secure: bool,
}

/// `[media]`: the WebRTC side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// `listen`: UDP address and port of the first shard. Default 0.0.0.0:7880.
    pub listen: SocketAddr,
    /// `advertise`: addresses at which clients reach it. Default: loopback and this machine's own.
    pub advertise: Vec<IpAddr>,
    /// `shards`: media threads, each on a port of its own. Default 1.
    pub shards: u16,
}

/// `[data]`: what is kept on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// `dir`: default `./data`.
    pub dir: PathBuf,
    /// `database_url`: default the SQLite file `branch.db` in `dir`.
    pub database_url: String,
}

/// `[kyc]`: face liveness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kyc {
    /// `models_dir`: default `models` in the data folder.
    pub models_dir: PathBuf,
    /// `threads`: for decoding and inference. Default: half the cores, at least one.
    pub threads: usize,
    /// `policy_file`: thresholds and times, TOML. Default: the built-in policy.
    pub policy_file: Option<PathBuf>,
    /// `faces_dir`: the face vault. Default: `faces` in the data folder; its key is among
    /// `[recorder] keys_dir`.
    pub faces_dir: PathBuf,
    /// `portrait_ttl_s`: how long a portrait is kept after it was handed in. Default one day.
    pub portrait_ttl: Duration,
    /// `checks_per_day`: how often one person may be checked within 24 hours. Default 10.
    pub checks_per_day: u32,
    /// `watch_customer`: watch the customer's face in the call, where they consent. Default true.
    pub watch_customer: bool,
    /// `watch_staff`: watch the staff member's. Default true.
    pub watch_staff: bool,
    /// `persons_threshold`: persons whose faces may be stored before a regulator must be told;
    /// the log and the metrics warn at nine tenths of it. Default 100000.
    pub persons_threshold: u64,
}

/// `[branch]`: visits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// `link_lifetime_s`: how long a customer's link is good for. Default one day.
    pub link_lifetime: Duration,
    /// `liveness_attempts`: how often a customer may try before staff identify them. Default 3.
    pub liveness_attempts: u32,
    /// `second_person`: a film leaves the branch only when a second person has let it go. Default
    /// true.
    pub second_person: bool,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `level`: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
    /// `info,vbranch_sfu=debug`. Default `info`.
    pub level: String,
    /// `json`: one JSON object a line. Default false.
    pub json: bool,
}

impl Config {
    /// Reads the file (where one is given) and the environment.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load(file: Option<&Path>) -> Result<Self, Mistakes> {
        let mut source = Source::default();
        if let Some(path) = file {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|e| Mistakes(vec![format!("{name} cannot be read: {e}")]))?;
            source = source.with_file(&name, &text);
        }
        // Variables that are not text belong to other programs.
        let text =
            |(k, v): (OsString, OsString)| Some((k.into_string().ok()?, v.into_string().ok()?));
        Self::from_source(source.with_env(std::env::vars_os().filter_map(text)))
    }

    fn from_source(mut s: Source) -> Result<Self, Mistakes> {
        let data = data(&mut s);
        let config = Self {
            http: http(&mut s),
            media: media(&mut s),
            recorder: recorder::read(&mut s, &data.dir),
            kyc: kyc(&mut s, &data.dir),
            branch: branch(&mut s),
            log: log(&mut s),
            data,
        };
        s.finish()?;
        Ok(config)
    }
}

fn http(s: &mut Source) -> Http {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    Http {
        listen: s.parse("http", "listen", default, "an address and port such as 127.0.0.1:8080"),
        origins: s.get(
            "http",
            "origins",
            vec![],
            "a list of origins such as https://b.example",
            list_of(|o| {
                (o.starts_with("https://") || o.starts_with("http://")).then(|| o.to_owned())
            }),
        ),
        cookie_secure: s.parse("http", "cookie_secure", false, "true or false"),
    }
}

fn media(s: &mut Source) -> Media {
    let default = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7880));
    let listen = s.parse("media", "listen", default, "an address and port such as 0.0.0.0:7880");
    let addresses = list_of(|a| a.parse().ok());
    let advertise = s.get("media", "advertise", vec![], "a list of IP addresses", addresses);
    let shards = s.get("media", "shards", 1, "a number from 1 to 256", |t| {
        t.parse().ok().filter(|n| (1..=256).contains(n))
    });
    let advertise = if advertise.is_empty() { own_addresses(listen.ip()) } else { advertise };
    Media { listen, advertise, shards }
}

fn data(s: &mut Source) -> Data {
    let dir = path(s, "data", "dir", PathBuf::from("data"));
    let default = format!("sqlite:{}", dir.join("branch.db").display());
    let database_url =
        s.get("data", "database_url", default, "a sqlite: or postgres: address", |t| {
            let known = ["sqlite:", "postgres:", "postgresql:"];
            known.iter().any(|scheme| t.starts_with(scheme)).then(|| t.to_owned())
        });
    Data { dir, database_url }
}

fn kyc(s: &mut Source, data: &Path) -> Kyc {
    let day = Duration::from_hours(24);
    let half = std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2));
    Kyc {
        models_dir: path(s, "kyc", "models_dir", data.join("models")),
        threads: s.get("kyc", "threads", half, "a number from 1 to 64", |t| {
            t.parse().ok().filter(|n| (1..=64).contains(n))
        }),
        policy_file: s.get("kyc", "policy_file", None, "a path", |t| Some(Some(t.into()))),
        faces_dir: path(s, "kyc", "faces_dir", data.join("faces")),
        portrait_ttl: s.get("kyc", "portrait_ttl_s", day, "a number from 60 to 31536000", |t| {
            let seconds = t.parse().ok().filter(|n| (60..=365 * 86_400).contains(n));
            seconds.map(Duration::from_secs)
        }),
        checks_per_day: s.get("kyc", "checks_per_day", 10, "a number from 1 to 100", |t| {
            t.parse().ok().filter(|n| (1..=100).contains(n))
        }),
        watch_customer: s.parse("kyc", "watch_customer", true, "true or false"),
        watch_staff: s.parse("kyc", "watch_staff", true, "true or false"),
        persons_threshold: s.get("kyc", "persons_threshold", 100_000, "a number above 0", |t| {
            t.parse().ok().filter(|n| *n > 0)
        }),
    }
}

fn branch(s: &mut Source) -> Branch {
    let seconds = |t: &str| t.parse().ok().filter(|n| *n > 0).map(Duration::from_secs);
    let day = Duration::from_hours(24);
    Branch {
        link_lifetime: s.get("branch", "link_lifetime_s", day, "a number of seconds", seconds),
        liveness_attempts: s.get("branch", "liveness_attempts", 3, "a number from 1 to 10", |t| {
            t.parse().ok().filter(|n| (1..=10).contains(n))
        }),
        second_person: s.parse("branch", "second_person", true, "true or false"),
    }
}

fn log(s: &mut Source) -> Log {
    Log {
        level: s.get("log", "level", "info".to_owned(), "a level or filter", |t| {
            t.parse::<tracing_subscriber::EnvFilter>().is_ok().then(|| t.to_owned())
        }),
        json: s.parse("log", "json", false, "true or false"),
    }
}

fn path(s: &mut Source, section: &str, key: &str, default: PathBuf) -> PathBuf {
    s.get(section, key, default, "a path", |t| (!t.is_empty()).then(|| PathBuf::from(t)))
}

fn list_of<T>(item: impl Fn(&str) -> Option<T>) -> impl Fn(&str) -> Option<Vec<T>> {
    move |text| text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(&item).collect()
}

/// Where clients on this machine and on its network reach a socket bound to `listen`.
fn own_addresses(listen: IpAddr) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    // Connecting a UDP socket sends nothing; it only asks the routing table for the address this
    // machine would use (TEST-NET-1, RFC 5737).
    let outward = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).map(|()| socket))
        .and_then(|socket| socket.local_addr());
    if let Ok(address) = outward
        && !address.ip().is_loopback()
        && !address.ip().is_unspecified()
    {
        addresses.push(address.ip());
    }
    addresses
}

#[cfg(test)]
mod tests {
    use vbranch_recorder::store::StorePlace;

    use super::*;

    pub(super) fn read(file: &str, env: &[(&str, &str)]) -> Result<Config, Mistakes> {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::from_source(Source::default().with_file("t.toml", file).with_env(env))
    }

    #[test]
    fn nothing_need_be_set() {
        let config = read("", &[]).unwrap();
        assert_eq!(config.http.listen.port(), 8080);
        assert_eq!(config.media.listen.port(), 7880);
        assert_eq!(config.recorder.stores, StorePlace::both_under(Path::new("data")));
        assert_eq!(config.kyc.faces_dir, Path::new("data/faces"));
        assert_eq!(config.kyc.portrait_ttl, Duration::from_hours(24));
        assert!(config.kyc.watch_customer && config.kyc.watch_staff);
    }

    #[test]
    fn what_is_kept_of_faces_has_bounds() {
        let file = "[kyc]\nportrait_ttl_s = 60\nchecks_per_day = 100\nwatch_staff = false";
        let kyc = read(file, &[]).unwrap().kyc;
        assert_eq!((kyc.portrait_ttl.as_secs(), kyc.checks_per_day), (60, 100));
        assert!(!kyc.watch_staff);
        let file = "[kyc]\nportrait_ttl_s = 59\nchecks_per_day = 0\nwatch_customer = 'maybe'\n\
                    persons_threshold = 0";
        let mistakes = read(file, &[]).unwrap_err().to_string();
        assert!(mistakes.contains("4 mistakes"), "{mistakes}");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let file = "[http]\nlisten = '127.0.0.1:1'\n[media]\nadvertise = ['10.0.0.1', '10.0.0.2']";
        let config = read(file, &[("VBRANCH_HTTP_LISTEN", "127.0.0.1:2")]).unwrap();
        assert_eq!(config.http.listen.port(), 2);
        assert_eq!(config.media.advertise.len(), 2);
    }

    #[test]
    fn every_mistake_is_reported_at_once_and_by_name() {
        let file = "port = 3\n[http]\nlisten = 'here'\ncolour = 'red'\n[recorder]\nstore_a = 'x'\nstore_b = 'x'";
        let env =
            [("VBRANCH_MEDIA_SHARDS", "0"), ("VBRANCH_KYC_THREDS", "2"), ("VBRANCH_SHARED", "x")];
        let mistakes = read(file, &env).unwrap_err().to_string();
        for part in [
            "6 mistakes",
            "`port` stands outside",
            "[http] listen: `here` is not an address",
            "[http] colour: there is no such setting",
            "VBRANCH_MEDIA_SHARDS: `0` is not a number from 1",
            "VBRANCH_KYC_THREDS: there is no such setting",
            "same place",
        ] {
            assert!(mistakes.contains(part), "{part} is missing in: {mistakes}");
        }
    }
}
