//! A real Redis for a test.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

/// Only what hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis that goes with the test.
pub struct Redis {
    dir: PathBuf,
    server: Child,
}

impl Redis {
    pub async fn start(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("souk-redis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let server = serve(&dir);
        let redis = Self { dir, server };
        redis.until_it_listens().await;
        redis
    }

    async fn until_it_listens(&self) {
        let listens = async {
            while UnixStream::connect(self.dir.join("socket")).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, listens).await.expect("redis-server listens");
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.join("socket").display())
    }

    pub fn signal(&self, name: &str) {
        let id = self.server.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub fn stop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    pub async fn start_again(&mut self) {
        self.server = serve(&self.dir);
        self.until_it_listens().await;
    }
}

fn serve(dir: &PathBuf) -> Child {
    let _ = std::fs::remove_file(dir.join("socket"));
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket", "socket", "--dir"])
        .arg(dir)
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed, as .ci/run does it")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
