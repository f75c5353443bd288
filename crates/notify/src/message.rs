//! Alerts as text for people, in English and French.

use backup_model::{Alert, AlertKind, Language};
use chrono_tz::Tz;
use std::fmt::Write;

/// More are counted, not listed.
const LISTED: usize = 30;

/// A message about one or several alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One line: what is the matter, on which machine.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As HTML.
    pub html: String,
    /// Whether all of it is good news.
    pub good: bool,
}

fn kind(kind: AlertKind, language: Language) -> &'static str {
    let (en, fr) = match kind {
        AlertKind::Failure => ("failed", "a échoué"),
        AlertKind::Warning => ("completed with warnings", "terminé avec des avertissements"),
        AlertKind::Success => ("completed", "terminé"),
        AlertKind::Recovery => ("works again", "fonctionne de nouveau"),
        AlertKind::Missed => ("missed its run", "a manqué son exécution"),
        AlertKind::Stale => ("has had no good backup for too long", "n'a plus de bonne sauvegarde depuis trop longtemps"),
        AlertKind::Disk => ("disk fills up", "le disque se remplit"),
        AlertKind::Damaged => ("has a damaged archive", "a une archive endommagée"),
        AlertKind::DrillFailed => ("cannot be restored (trial)", "ne peut pas être restauré (essai)"),
        AlertKind::Test => ("this is a test", "ceci est un essai"),
    };
    if language == Language::Fr { fr } else { en }
}

/// Text without control characters, so that no name forges a line of its own.
fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Puts alerts, oldest first, into words.
#[must_use]
pub fn render(alerts: &[Alert], language: Language, host: &str, zone: Tz) -> Message {
    let good = alerts.iter().all(|a| a.kind.is_good());
    let french = language == Language::Fr;
    // The worst comes first in the subject.
    let first = alerts.iter().find(|a| !a.kind.is_good()).or(alerts.first());
    let mark = if good {
        "OK"
    } else if french {
        "ALERTE"
    } else {
        "ALERT"
    };
    let mut subject = format!("[backupd {}] {mark}", tame(host));
    if let Some(first) = first {
        let _ = write!(subject, ": {} {}", tame(&first.name), kind(first.kind, language));
    }
    if alerts.len() > 1 {
        let more = alerts.len() - 1;
        let _ = if french { write!(subject, " (et {more} de plus)") } else { write!(subject, " (and {more} more)") };
    }
    let mut text = String::new();
    let mut page = String::from("<!doctype html><html><body style=\"font-family:sans-serif\"><table cellpadding=\"6\">");
    for alert in alerts.iter().take(LISTED) {
        let at = alert.at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string();
        let (name, what) = (tame(&alert.name), kind(alert.kind, language));
        let body: String = alert.text.lines().map(tame).collect::<Vec<_>>().join("\n");
        let run = alert.run.map(|r| format!("backupctl history --run {r}"));
        let _ = writeln!(text, "{name}: {what}\n  {at}");
        for line in body.lines() {
            let _ = writeln!(text, "  {line}");
        }
        if let Some(run) = &run {
            let _ = writeln!(text, "  {run}");
        }
        text.push('\n');
        let colour = if alert.kind.is_good() { "#2b8a3e" } else { "#c92a2a" };
        let _ = write!(
            page,
            "<tr><td style=\"vertical-align:top;color:{colour}\"><b>{}</b><br>{}</td><td>{at}<br>{}{}</td></tr>",
            html(&name),
            html(what),
            html(&body).replace('\n', "<br>"),
            run.map(|r| format!("<br><code>{}</code>", html(&r))).unwrap_or_default()
        );
    }
    if alerts.len() > LISTED {
        let more = alerts.len() - LISTED;
        let line = if french {
            format!("… et {more} autres ; `backupctl alerts` les montre toutes.")
        } else {
            format!("… and {more} more; `backupctl alerts` shows all.")
        };
        let _ = writeln!(text, "{line}\n");
        let _ = write!(page, "<tr><td></td><td>{}</td></tr>", html(&line));
    }
    let end =
        if french { format!("Envoyé par backupd sur {}.", tame(host)) } else { format!("Sent by backupd on {}.", tame(host)) };
    let _ = writeln!(text, "-- \n{end}");
    let _ = write!(page, "</table><p><small>{}</small></p></body></html>", html(&end));
    Message { subject, text, html: page, good }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(kind: AlertKind, name: &str, text: &str) -> Alert {
        let at = chrono::DateTime::from_timestamp(1_795_000_000, 0).expect("a time");
        Alert { id: Default::default(), at, kind, name: name.into(), run: None, text: text.into() }
    }

    #[test]
    fn words_in_two_languages_and_nothing_hostile() {
        let alerts = [
            alert(AlertKind::Success, "docs", "fine"),
            alert(AlertKind::Failure, "shop\r\nBcc: eve@example.org", "<img onerror=alert(1)>\u{1b}[2J"),
        ];
        let en = render(&alerts, Language::En, "box", chrono_tz::Europe::Paris);
        assert_eq!(en.subject, "[backupd box] ALERT: shop  Bcc: eve@example.org failed (and 1 more)");
        assert!(!en.good && en.text.contains("CET") && !en.text.contains('\u{1b}'));
        assert!(en.html.contains("&lt;img onerror") && !en.html.contains("<img"));
        let fr = render(&alerts[..1], Language::Fr, "box", chrono_tz::UTC);
        assert_eq!(fr.subject, "[backupd box] OK: docs terminé");
        assert!(fr.good && fr.text.contains("Envoyé par backupd"));
    }

    #[test]
    fn a_hundred_are_counted_not_listed() {
        let alerts: Vec<Alert> = (0..100).map(|n| alert(AlertKind::Failure, &format!("s{n}"), "x")).collect();
        let message = render(&alerts, Language::En, "box", chrono_tz::UTC);
        assert!(message.subject.ends_with("(and 99 more)") && message.text.contains("and 70 more"));
        assert!(message.text.len() < 4000);
    }
}
