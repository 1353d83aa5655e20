//! Servers under test, each in a process of its own.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

use super::machine::Process;

/// How long a server may take to listen: 50 ms each.
const TRIES: usize = 200;

/// A bench server: takes `--listen ADDR` and `--core N`.
#[derive(Debug, Clone)]
pub struct Program {
    /// For tables.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// What it is told besides.
    pub arguments: Vec<String>,
}

impl Program {
    /// Our media plane, beside this program.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn ours() -> anyhow::Result<Self> {
        let path = std::env::current_exe()?.with_file_name("sfu-bench-server");
        Self { name: "vbranch".into(), path, arguments: vec![] }.existing()
    }

    /// Told that no network is too thin, as raw forwarding is to be measured.
    #[must_use]
    pub fn flooded(mut self) -> Self {
        self.arguments.push("--flood".into());
        self
    }

    /// A server given as `PATH [ARGUMENT…]`, named after its file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut words = text.split_whitespace().map(str::to_owned);
        let path = PathBuf::from(words.next().context("no program")?);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, path, arguments: words.collect() }.existing()
    }

    fn existing(self) -> anyhow::Result<Self> {
        if !Path::new(&self.path).is_file() {
            bail!("there is no program {}", self.path.display());
        }
        Ok(self)
    }

    /// Starts it on a core and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(&self, core: usize) -> anyhow::Result<Server> {
        let address = free_port()?;
        // Other servers do not know how to end with us, should we be killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.path);
        command.args(["--listen", &address.to_string(), "--core", &core.to_string()]);
        command.args(&self.arguments).stdout(Stdio::null());
        let mut process = Process::start(&mut command)?;
        for _ in 0..TRIES {
            if !process.is_alive() {
                bail!("{} has ended", self.name);
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(Server { address, process });
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("{} does not listen on {address}", self.name)
    }
}

/// A running bench server; ends when dropped.
pub struct Server {
    /// Where it takes offers.
    pub address: SocketAddr,
    process: Process,
}

impl Server {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
