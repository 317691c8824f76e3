//! A full disk and a locked database: an alert is answered with 201 if and only if it is on disk, and the service comes back by
//! itself when there is room, or the lock is gone.
//!
//! The full disk is a small one in memory, which takes a user who may mount it; where he may not, that proof says so and shows
//! nothing. Full form: the lock is held for 1, 7 and 30 seconds, and more is posted.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use belfry::{
    db::{Database, DatabaseAddress},
    sandbox::RobotKind,
};
use diesel::connection::SimpleConnection as _;
use futures_util::StreamExt as _;

use super::{
    crew::{Crew, is_balanced},
    oracle::{Numbers, Verdict, named},
    sender::Sender,
    sized,
};
use crate::harness::{Backend, PASSWORD, Process, TestApp, Tweaks, folder, lines, run_with};

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };

/// A file system in memory. It is gone with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// One of so many MiB, when this user may mount one.
    fn mount(at: &Path, mebibytes: u32) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0700"), "belfry-proof"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// Writes until there is no room left.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.0.join("ballast")).expect("a file");
        let block = [0; 4096];
        while ballast.write_all(&block).is_ok() {}
        while ballast.write_all(&[0]).is_ok() {}
    }

    /// Leaves room for so many KiB.
    fn leave(&self, kibibytes: u64) {
        let ballast = fs::OpenOptions::new().write(true).open(self.0.join("ballast")).expect("the ballast");
        let length = ballast.metadata().expect("a length").len();
        ballast.set_len(length.saturating_sub(kibibytes * 1024)).expect("room");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

/// The alerts that are stored.
async fn stored(db: &Database) -> Numbers {
    let titles = db.read(|c| lines(c, "SELECT title AS line FROM alerts".to_owned())).await.expect("it can be read");
    titles.iter().flat_map(|title| named(title)).collect()
}

/// Waits until the groups have read all of these.
async fn all_read(app: &TestApp, crew: &Crew, numbers: &Numbers, seconds: u64) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !numbers.iter().all(|number| crew.read(app).times.contains_key(number)) {
        assert!(Instant::now() < deadline, "not delivered within {seconds} s");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn on_a_full_disk_only_what_is_stored_is_acknowledged_and_it_goes_on_when_there_is_room() {
    run_with(Backend::Sqlite, REAL, async |app: &TestApp| {
        let place = folder();
        let Some(disk) = SmallDisk::mount(place.path(), 8) else {
            eprintln!("SKIPPED: nobody but root may mount a small disk here, so nothing is shown about a full one");
            return;
        };
        let crew = Crew::hire(app, (0..20).map(|_| RobotKind::Lark)).await;
        let (from, to) = (app.folder().join("belfry.db"), place.path().join("belfry.db"));
        Database::backup(&DatabaseAddress::Sqlite(from), &to).expect("the database moves");
        let url = format!("sqlite://{}", to.display());
        let mut settings = app.settings();
        settings[0].1 = url.clone();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let process = Process::start(app.folder(), &settings);
        let db = Database::open(&DatabaseAddress::parse(&url).expect("an address")).expect("the database opens");
        let sender = Sender::new(&crew);
        sender.post_to(vec![process.origin.clone()]);

        // Posts each once, while the room ends, and goes on when there is none.
        let mut next = 0;
        let content = "x".repeat(4_000);
        let mut post_some = async |how_many: u64| {
            let numbers = next..next + how_many;
            next += how_many;
            let posting = futures_util::stream::iter(numbers.map(|number| sender.post(number, &content)));
            posting.buffer_unordered(8).collect::<Vec<_>>().await
        };
        let before = post_some(10).await;
        assert!(before.iter().all(|status| *status == Some(201)), "{before:?}");
        disk.fill();
        for round in 0..sized(3, 20) {
            disk.leave(60 + 40 * (round % 3));
            post_some(sized(40, 60)).await;
            disk.fill();
        }
        // The write-ahead log may still have room of its own, after a checkpoint that freed it: what fits is stored.
        let mut during = post_some(10).await;
        for _ in 0..200 {
            if during.iter().all(|status| *status == Some(503)) {
                break;
            }
            during = post_some(10).await;
        }
        assert_eq!(during, [Some(503); 10], "on a full disk");
        let mut somebody = process.visitor();
        let page = somebody.get("/login").await;
        assert!([200, 503].contains(&page.status), "{} {}", page.status, page.body);

        let (acknowledged, refused) = sender.sums();
        let on_disk = stored(&db).await;
        let figures = (acknowledged.len(), refused.len());
        assert_eq!(on_disk, acknowledged, "stored, and answered with 201");

        fs::remove_file(place.path().join("ballast")).expect("room again");
        let room = Instant::now();
        while post_some(1).await != [Some(201)] {
            assert!(room.elapsed() < Duration::from_secs(20), "it does not come back by itself");
        }
        let back = room.elapsed();
        for number in refused {
            sender.store(number).await;
        }
        let (acknowledged, unanswered) = sender.sums();
        all_read(app, &crew, &acknowledged, sized(60, 300)).await;
        let check = db.read(|c| lines(c, "SELECT integrity_check AS line FROM pragma_integrity_check".to_owned()));
        assert_eq!(check.await.expect("it can be read"), ["ok"]);
        process.signal("TERM");
        assert!(process.wait().0.success());
        let verdict = Verdict::of(&acknowledged, &unanswered, &crew.read(app)).holds();
        is_balanced(&db, app.clock.now()).await;
        eprintln!(
            "full disk: {} alerts answered with 201 and stored, {} with 503 and not stored; it stored again {back:.1?} after \
             there was room, and all {} were delivered; {verdict}",
            figures.0,
            figures.1,
            acknowledged.len()
        );
    });
}

#[test]
fn while_the_database_is_locked_only_what_is_stored_is_acknowledged_and_it_goes_on_afterwards() {
    run_with(Backend::Sqlite, REAL, async |app: &TestApp| {
        let crew = Crew::hire(app, (0..20).map(|_| RobotKind::Lark)).await;
        let settings = app.settings();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let process = Process::start(app.folder(), &settings);
        let sender = Sender::new(&crew);
        sender.post_to(vec![process.origin.clone()]);
        let mut sue = process.visitor();
        sue.log_in("sue", PASSWORD).await.is(303);
        let path = app.folder().join("belfry.db");
        let mut next = 0_u64;
        for seconds in sized(vec![1, 6], vec![1, 7, 30]) {
            let mut other = DatabaseAddress::Sqlite(path.clone()).connect().expect("another connection");
            other.batch_execute("BEGIN IMMEDIATE").expect("the lock");
            let (locked, release) = (Instant::now(), Duration::from_secs(seconds));
            let unlock = async {
                tokio::time::sleep(release).await;
                other.batch_execute("ROLLBACK").expect("the lock is gone");
            };
            let numbers = next..next + 20;
            next += 20;
            let posting = futures_util::stream::iter(numbers.map(|number| sender.post(number, "A text.")))
                .buffer_unordered(20)
                .collect::<Vec<_>>();
            let ((), answers) = tokio::join!(unlock, posting);
            let (acknowledged, _) = sender.sums();
            assert_eq!(stored(&app.db).await, acknowledged, "stored, and answered with 201");
            let count = |status| answers.iter().filter(|answer| **answer == Some(status)).count();
            assert_eq!(count(201) + count(503), answers.len(), "{answers:?}");
            if seconds < 5 {
                assert_eq!(count(201), answers.len(), "a short lock is waited for: {answers:?}");
            } else {
                assert!(count(503) > 0, "nobody waits for a lock of {seconds} s");
            }
            sender.store(next).await;
            next += 1;
            let back = locked.elapsed().saturating_sub(release);
            eprintln!(
                "locked for {seconds} s: {} answered with 201 and stored, {} with 503 and not stored; it stored again within {back:.1?}",
                count(201),
                count(503)
            );
            assert!(back < Duration::from_secs(5), "{back:?}");
            sue.get("/t/ours").await.is(200);
        }
        let (acknowledged, unanswered) = sender.sums();
        all_read(app, &crew, &acknowledged, 60).await;
        Verdict::of(&acknowledged, &unanswered, &crew.read(app)).holds();
        process.signal("TERM");
        assert!(process.wait().0.success());
        is_balanced(&app.db, app.clock.now()).await;
    });
}
