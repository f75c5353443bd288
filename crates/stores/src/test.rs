//! Tries a store step by step, as `destination test` shows it.

use crate::{Meter, Store, Upload};
use std::path::Path;

/// A step: what was tried, whether it went well, what was seen or what to do.
pub type Step = (String, bool, String);

/// Writes, lists, reads in a part, and removes an object; each step that is left out after a failure is not told.
/// `name` is the key of the object, `scratch` a folder for the file that is sent.
pub async fn test(store: &dyn Store, name: &str, content: &[u8], scratch: &Path) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let meter = Meter::default();
    let key = name.to_owned();
    let folder = key.split_once('/').map_or("", |(folder, _)| folder);
    match store.list(folder).await {
        Ok(list) => steps.push(("connect and list".into(), true, format!("{} objects in {folder}", list.len()))),
        Err(e) => {
            steps.push(("connect and list".into(), false, e.to_string()));
            return steps;
        }
    }
    let file = scratch.join("destination-test");
    if let Err(e) = tokio::fs::write(&file, content).await {
        steps.push(("prepare".into(), false, format!("cannot write {}: {e}", file.display())));
        return steps;
    }
    let upload = Upload { file: file.clone(), sha256: None, note: scratch.join("destination-test.note") };
    let put = store.put(&key, &upload, &meter).await;
    let _ = tokio::fs::remove_file(&file).await;
    match put {
        Ok(()) => steps.push(("write".into(), true, format!("{} bytes as {key}", content.len()))),
        Err(e) => {
            steps.push(("write".into(), false, e.to_string()));
            return steps;
        }
    }
    let (start, end) = (content.len() as u64 / 3, content.len() as u64);
    let mut read = Vec::new();
    let mut sink = |bytes: &[u8]| {
        read.extend_from_slice(bytes);
        Ok(())
    };
    match store.get(&key, start, end, &mut sink, &meter).await {
        Ok(()) if read == content[start as usize..] => {
            steps.push(("read a range".into(), true, format!("bytes {start} to {end} came back as they were written")));
        }
        Ok(()) => steps.push(("read a range".into(), false, "what came back is not what was written".into())),
        Err(e) => steps.push(("read a range".into(), false, e.to_string())),
    }
    if store.capabilities().delete {
        steps.push(match store.delete(&key).await {
            Ok(()) => ("remove".into(), true, "removed again; retention can work here".into()),
            Err(e) => ("remove".into(), false, format!("{e}; retention cannot remove anything here")),
        });
    } else {
        let text = "nothing can be removed from here; the other side's rules decide what stays";
        steps.push(("remove".into(), true, text.into()));
    }
    steps
}
