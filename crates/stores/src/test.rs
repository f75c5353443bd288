//! Tries a store step by step, as `destination test` shows it.

use crate::{Meter, Store, Upload};
use backup_model::Steps;
use std::path::Path;

/// Writes, lists, reads in a part, and removes an object; each step that is left out after a failure is not told.
/// `name` is the key of the object, `scratch` a folder for the file that is sent.
pub async fn test(store: &dyn Store, name: &str, content: &[u8], scratch: &Path, steps: &mut Steps) {
    let meter = Meter::default();
    let key = name.to_owned();
    let folder = key.split_once('/').map_or("", |(folder, _)| folder);
    match store.list(folder).await {
        Ok(list) => steps.ok("connect and list", format!("{} objects in {folder}", list.len())),
        Err(e) => return steps.wrong("connect and list", e.to_string()),
    }
    let file = scratch.join("destination-test");
    if let Err(e) = tokio::fs::write(&file, content).await {
        return steps.wrong("prepare", format!("cannot write {}: {e}", file.display()));
    }
    let upload = Upload { file: file.clone(), sha256: None, note: scratch.join("destination-test.note") };
    let put = store.put(&key, &upload, &meter).await;
    let _ = tokio::fs::remove_file(&file).await;
    match put {
        Ok(()) => steps.ok("write", format!("{} bytes written as {key}", content.len())),
        Err(e) => return steps.wrong("write", e.to_string()),
    }
    let (start, end) = (content.len() as u64 / 3, content.len() as u64);
    let mut read = Vec::new();
    let mut sink = |bytes: &[u8]| {
        read.extend_from_slice(bytes);
        Ok(())
    };
    match store.get(&key, start, end, &mut sink, &meter).await {
        Ok(()) if read == content[start as usize..] => {
            steps.ok("read a range", format!("bytes {start} to {end} came back as they were written"));
        }
        Ok(()) => steps.wrong("read a range", "what came back is not what was written"),
        Err(e) => steps.wrong("read a range", e.to_string()),
    }
    if store.capabilities().delete {
        match store.delete(&key).await {
            Ok(()) => steps.ok("remove", "removed again; retention can work here"),
            Err(e) => steps.wrong("remove", format!("{e}; retention cannot remove anything here")),
        }
    } else {
        let text = "nothing can be removed from here; the other side's rules decide what stays";
        steps.ok("remove", text);
    }
}
