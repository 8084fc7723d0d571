//! What a processor has learned outlives the process: read before it starts, written now and then
//! and when it has stopped. The file is replaced as a whole, never half.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::{BoxFuture, Clock, Component, Health, StartError};
use crate::model::{Instant, Now};

/// A crash loses at most what was learned in this time.
const PERIOD: Duration = Duration::from_secs(300);
/// Names of services and operations are for the owner alone.
const FILE_MODE: u32 = 0o600;
/// Largest file that is read; with a larger one there is no start.
const BYTES_MAX: u64 = 256 << 20;

/// State that is learned from traffic and useful after a restart.
pub trait Learned: Send + Sync + 'static {
    /// Everything that is worth keeping.
    fn save(&self, now: Now) -> Vec<u8>;

    /// Takes in what was saved, merging it with what is known. After an error part of it may have
    /// been taken.
    ///
    /// # Errors
    /// When the bytes are damaged or of an unknown version; says which.
    fn load(&self, bytes: &[u8], now: Now) -> Result<(), String>;
}

/// Learned state and where it is kept.
#[derive(Clone)]
pub struct StateFile {
    /// Where; its folder must exist.
    pub path: PathBuf,
    /// What.
    pub learned: Arc<dyn Learned>,
}

/// A component whose learned state is kept in a file.
pub struct Remembering {
    inner: Arc<dyn Component>,
    state: StateFile,
    clock: Arc<dyn Clock>,
    saving: Mutex<Option<JoinHandle<()>>>,
}

impl Remembering {
    /// Keeps the state of `inner`.
    pub fn wrap(inner: Arc<dyn Component>, state: StateFile, clock: Arc<dyn Clock>) -> Arc<dyn Component> {
        Arc::new(Self { inner, state, clock, saving: Mutex::default() })
    }
}

impl StateFile {
    /// Reads the file when it is there. What cannot be used is put aside, so that nothing
    /// overwrites it.
    fn read(&self, now: Now) -> Result<(), StartError> {
        let path = self.path.display();
        let bytes = match read_file(&self.path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                tracing::info!(%path, "no learned state yet; starting to learn");
                return Ok(());
            }
            Err(error) => return Err(StartError::new(format!("cannot read the learned state from {path}: {error}"))),
        };
        match self.learned.load(&bytes, now) {
            Ok(()) => tracing::info!(%path, bytes = bytes.len(), "learned state is read"),
            Err(reason) => {
                let aside = beside(&self.path, ".damaged");
                let kept = fs::rename(&self.path, &aside).is_ok();
                tracing::warn!(%path, reason, kept, "the learned state cannot be used; starting to learn anew");
            }
        }
        Ok(())
    }

    fn write(&self, now: Now) {
        if let Err(error) = replace(&self.path, &self.learned.save(now)) {
            tracing::warn!(path = %self.path.display(), %error, "cannot write the learned state");
        }
    }
}

/// The file's bytes; nothing when it is not there but its folder is.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > BYTES_MAX => {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {BYTES_MAX} bytes")))
        }
        Ok(_) => fs::read(path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::metadata(folder)?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Writes beside the file and puts it in its place when all is on disk.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = beside(path, ".new");
    // What a crash left; and nobody else may have laid a link there.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(FILE_MODE).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::error!(%error, "the learned state was not read or written");
            None
        }
    }
}

impl Component for Remembering {
    fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            let (state, now) = (self.state.clone(), self.clock.now());
            blocking(move || state.read(now)).await.unwrap_or(Ok(()))?;
            self.inner.start().await?;
            let (state, clock) = (self.state.clone(), self.clock.clone());
            let task = tokio::spawn(async move {
                let mut ticks = interval(PERIOD);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks.tick().await;
                loop {
                    ticks.tick().await;
                    let (state, now) = (state.clone(), clock.now());
                    blocking(move || state.write(now)).await;
                }
            });
            *self.saving.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
            Ok(())
        })
    }

    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.inner.shutdown(deadline).await;
            let Some(saving) = saving else { return };
            saving.abort();
            // It ends by the abort; a write under way is on a thread of its own and is followed.
            let _ = saving.await;
            let (state, now) = (self.state.clone(), self.clock.now());
            blocking(move || state.write(now)).await;
        })
    }

    fn health(&self) -> Health {
        self.inner.health()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::SystemClock;

    #[derive(Default)]
    struct Word(Mutex<String>);

    impl Learned for Word {
        fn save(&self, _: Now) -> Vec<u8> {
            self.0.lock().unwrap().clone().into_bytes()
        }

        fn load(&self, bytes: &[u8], _: Now) -> Result<(), String> {
            let word = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
            self.0.lock().unwrap().push_str(word);
            Ok(())
        }
    }

    struct Idle;

    impl Component for Idle {
        fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
            Box::pin(async { Ok(()) })
        }

        fn shutdown(&self, _: Instant) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }

    /// Starts and stops with a file; what is learned in between is `learns`.
    async fn run(path: &Path, learns: &str) -> Result<String, StartError> {
        let word = Arc::new(Word::default());
        let state = StateFile { path: path.to_owned(), learned: word.clone() };
        let component = Remembering::wrap(Arc::new(Idle), state, Arc::new(SystemClock::new()));
        component.start().await?;
        word.0.lock().unwrap().push_str(learns);
        component.shutdown(Instant(u64::MAX)).await;
        let word = word.0.lock().unwrap().clone();
        Ok(word)
    }

    #[tokio::test]
    async fn what_was_learned_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert_eq!(run(&path, "a").await.unwrap(), "a");
        assert_eq!(run(&path, "b").await.unwrap(), "ab");
        assert_eq!(fs::read(&path).unwrap(), b"ab");
        assert!(!beside(&path, ".new").exists());
    }

    #[tokio::test]
    async fn a_damaged_file_is_put_aside_and_learning_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(run(&path, "c").await.unwrap(), "c");
        assert_eq!(fs::read(beside(&path, ".damaged")).unwrap(), [0xff, 0xfe]);
        assert_eq!(fs::read(&path).unwrap(), b"c");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let error = run(&folder.path().join("gone/state"), "").await.unwrap_err();
        assert!(error.to_string().contains("cannot read the learned state"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_loses_only_the_latest_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let word = Arc::new(Word::default());
        let state = StateFile { path: path.clone(), learned: word.clone() };
        let component = Remembering::wrap(Arc::new(Idle), state, Arc::new(SystemClock::new()));
        component.start().await.unwrap();
        word.0.lock().unwrap().push_str("early");
        tokio::time::sleep(PERIOD + Duration::from_secs(1)).await;
        while !path.exists() {
            tokio::task::yield_now().await;
        }
        assert_eq!(fs::read(&path).unwrap(), b"early");
    }
}
