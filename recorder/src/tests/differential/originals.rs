//! Bundles as the recorder makes them: of calls that went well and of calls that did not.

use super::{forge::Bank, *};
use crate::keys::{EvidenceKey, EvidencePublicKey};

/// A good bundle.
pub(super) struct Original {
    pub name: &'static str,
    pub folder: PathBuf,
    pub files: Files,
}

/// All good bundles, of one branch.
pub(super) struct Originals {
    pub all: Vec<Original>,
    pub key: EvidenceKey,
    pub key_file: PathBuf,
    /// Somebody else's key.
    pub stranger: EvidenceKey,
    pub stranger_file: PathBuf,
    /// What is on the log.
    log: Vec<Vec<u8>>,
}

impl Originals {
    /// Whoever has the bank's signing key.
    pub(super) fn bank(&self) -> Bank<'_> {
        Bank { key: &self.key, log: &self.log }
    }

    /// Somebody who has not.
    pub(super) fn strangers_bank(&self) -> Bank<'_> {
        Bank { key: &self.stranger, log: &self.log }
    }

    pub(super) fn record(dir: &Path) -> Self {
        let data = dir.join("data");
        // Killed in mid-call; then one of its segments is gone from both stores.
        super::super::crash::record_and_kill(&data, Duration::from_millis(1500));
        let paths = Places::under(&data);
        for store in [&paths.store_a, &paths.store_b] {
            let gone = "00000000.seg";
            let found = files(store).into_iter().map(|(path, _)| path);
            found
                .filter(|path| path.ends_with(gone))
                .for_each(|path| fs::remove_file(path).unwrap());
        }
        let rig = Rig::start(&data);
        let &[recovered] = rig.recorder.recovered() else { panic!("nothing to recover") };
        let good = rig.record_with_all(&Call::shoot(3.5));
        let troubled = rig.record(&troubled());
        let mut all = Vec::new();
        let destroyed = rig.record(&Call::shoot(2.5));
        rig.destroy(&data, destroyed);
        for (name, recording, clear) in [
            ("good", good, true),
            ("sealed", good, false),
            ("troubled", troubled, true),
            ("recovered", recovered, true),
            ("destroyed", destroyed, false),
        ] {
            let folder = dir.join(name);
            rig.export(recording, &folder, clear);
            let by_path = |(path, bytes): (PathBuf, Vec<u8>)| {
                (path.to_str().unwrap().to_owned(), Content::Bytes(bytes))
            };
            let files = objects(&folder).into_iter().map(by_path).collect();
            all.push(Original { name, folder, files });
        }
        let stranger = EvidenceKey::open(&dir.join("stranger.key")).unwrap();
        let stranger_file = dir.join("stranger.pub");
        fs::write(&stranger_file, stranger.public().to_pem()).unwrap();
        let key = EvidenceKey::open(&paths.keys.join("evidence.key")).unwrap();
        let key_file = paths.keys.join("evidence.pub");
        let log = entries(&paths.log.join("log.db"));
        Self { all, key, key_file, stranger, stranger_file, log }
    }

    /// The key in one of the two files.
    pub(super) fn key_of(&self, file: &Path) -> EvidencePublicKey {
        if file == self.key_file { self.key.public() } else { self.stranger.public() }
    }
}

fn entries(database: &Path) -> Vec<Vec<u8>> {
    let database = rusqlite::Connection::open(database).unwrap();
    let mut query = database.prepare("SELECT json FROM entries ORDER BY idx").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

impl Rig {
    /// Records a call with an artefact and events.
    fn record_with_all(&self, call: &Call) -> RecordingId {
        use vbranch_domain::timeline::{TimelineEvent, TimelineKind};
        let recording = call.meta.recording;
        let mut tap = self.recorder.open(call.meta.clone(), START).unwrap();
        call.items.iter().for_each(|item| tap.push(item.clone()));
        for (ms, step) in [(4_000, "disclosure"), (6_000, "signing")] {
            let kind = TimelineKind::StepOpened { step: step.to_owned() };
            self.recorder
                .mark(recording, TimelineEvent { at: Mono::from_millis(ms), kind })
                .unwrap();
        }
        for name in ["sign.png", "id-card"] {
            self.recorder.put_artifact(recording, name, name.repeat(9_000).into_bytes()).unwrap();
        }
        self.recorder.close(recording, call.end).unwrap();
        recording
    }
}

/// Reloads, lost packets, a camera that is off and a change of its coding.
fn troubled() -> Call {
    let mut call = Call::shoot(1.0);
    let script = Script {
        start: START,
        camera_off: vec![3.0..4.5],
        reloads: vec![5.0..6.5],
        losses: vec![(vbranch_domain::MediaKind::Audio, 1.0..1.4)],
        vp8: 7.0..f64::MAX,
        ..Script::clean(call.customer, 8.5)
    };
    let film = script.shoot();
    (call.items, call.end) = (film.items, film.end);
    call
}
