//! Recorded provider traffic, read from beside the repository. Without it the tests that need it are skipped, and say so.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One recorded call.
pub struct Recording {
    /// For messages.
    pub name: String,
    pub api: String,
    pub request: Vec<u8>,
    pub status: u16,
    pub content_type: String,
    pub response: Vec<u8>,
}

/// The recordings of OpenAI's dialect, whoever the provider was; none where the folder is absent.
pub fn openai() -> Option<Vec<Recording>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings");
    if !root.is_dir() {
        assert!(
            std::env::var_os("PENSTOCK_REQUIRE_SHARED").is_none(),
            "../shared/recordings is absent"
        );
        println!("skipped: ../shared/recordings is absent");
        return None;
    }
    let mut files = Vec::new();
    files_under(&root, &mut files);
    files.sort();
    let recordings: Vec<Recording> = files.iter().filter_map(|file| read(file)).collect();
    assert!(
        recordings.len() > 50,
        "only {} recordings of OpenAI's dialect",
        recordings.len()
    );
    Some(recordings)
}

fn read(file: &Path) -> Option<Recording> {
    let text = std::fs::read_to_string(file).expect("a recording can be read");
    let value: Value = serde_json::from_str(&text).expect("a recording is JSON");
    let api = value["api"].as_str()?;
    let is_ours = matches!(
        api,
        "openai.chat" | "openai.completions" | "openai.embeddings" | "openai.moderations"
    );
    let content_type = value["response"]["headers"]["content-type"]
        .as_str()
        .unwrap_or("application/json");
    is_ours.then(|| Recording {
        name: file
            .file_stem()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned(),
        api: api.to_owned(),
        request: body(&value["request"]),
        status: value["response"]["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok())
            .expect("a status"),
        content_type: content_type.to_owned(),
        response: body(&value["response"]),
    })
}

/// All of OpenAI's dialect are texts.
fn body(message: &Value) -> Vec<u8> {
    message["body"]["text"]
        .as_str()
        .expect("a body that is text")
        .as_bytes()
        .to_vec()
}

fn files_under(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            files_under(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}

impl Recording {
    /// The page of the gateway for it.
    pub fn path(&self) -> &'static str {
        match self.api.as_str() {
            "openai.chat" => "/v1/chat/completions",
            "openai.completions" => "/v1/completions",
            "openai.embeddings" => "/v1/embeddings",
            _ => "/v1/moderations",
        }
    }

    pub fn is_stream(&self) -> bool {
        self.content_type.starts_with("text/event-stream")
    }
}
