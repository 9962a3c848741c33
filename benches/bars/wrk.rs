//! The load tool: `wrk`, with connections that are kept open.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use super::gateway::Gateway;

/// How a run went.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Answers a second.
    pub per_second: f64,
    /// 99 of 100 answers came within so many milliseconds.
    pub p99: f64,
}

/// Sends one operation over and over; every answer must contain `expected`.
pub async fn run(gateway: &Gateway, query: &str, token: Option<&str>, expected: &str, connections: u32, seconds: u64) -> Load {
    let authorization = token.map(|token| format!("wrk.headers[\"authorization\"] = \"Bearer {token}\"\n")).unwrap_or_default();
    let script = format!(
        r#"wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
{authorization}wrk.body = '{{"query":"{query}"}}'
local all = {{}}
function setup(thread) table.insert(all, thread) end
wrong = 0
function response(status, headers, body)
  if status ~= 200 or not string.find(body, '{expected}', 1, true) then wrong = wrong + 1 end
end
function done(summary, latency, requests)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(all) do errors = errors + thread:get("wrong") end
  io.write(string.format("measured %f %f %d\n", summary.requests / summary.duration * 1e6, latency:percentile(99) / 1e3, errors))
end
"#
    );
    let path = Script::write(&script);
    let url = format!("http://{}/graphql", gateway.address);
    let output = tokio::task::spawn_blocking(move || {
        Command::new("wrk")
            .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"])
            .arg(&path.0)
            .arg(url)
            .output()
            .expect("wrk is installed")
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("measured ")).unwrap_or_else(|| panic!("wrk failed: {text}"));
    let [per_second, p99, errors]: [f64; 3] = line.split(' ').map(|part| part.parse().unwrap()).collect::<Vec<_>>().try_into().unwrap();
    assert!(errors == 0.0, "{errors} answers were wrong:\n{text}");
    Load { per_second, p99 }
}

struct Script(PathBuf);

impl Script {
    fn write(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("postern-bench-{}.lua", std::process::id()));
        fs::write(&path, text).unwrap();
        // wrk's own start is not measured, but must not meet that of the run before.
        std::thread::sleep(Duration::from_millis(50));
        Self(path)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
