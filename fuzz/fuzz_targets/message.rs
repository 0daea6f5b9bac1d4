//! Whole messages. A first `-` asks for no pixel; the rest is the message.
//!
//! What is checked: the header and the lines that may be boundaries stay, links are numbered through all
//! parts, a message without links of ours comes back, and a second rewriting changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reaid::rewrite::{Format, Outcome, Rewritten, rewrite};
use reaid_fuzz::rewriting;

/// Small documents always fit into the parser's memory.
const SMALL: usize = 1 << 16;

fuzz_target!(|data: &[u8]| {
    let (pixel, message) = match data {
        [b'-', message @ ..] => (false, message),
        message => (true, message),
    };
    let once = match rewriting(pixel, |options| rewrite(message, Format::Message, options)) {
        Ok(once) => once,
        Err(error) => return assert!(message.len() > SMALL, "{error}"),
    };
    check(message, &once);
    let twice = rewriting(pixel, |options| rewrite(&once.bytes, Format::Message, options)).expect("parses again");
    assert_eq!(text(&twice.bytes), text(&once.bytes), "rewriting twice equals once");
    assert_eq!((twice.report.rewritten(), twice.report.pixel), (0, once.report.pixel));
    let parts = |rewritten: &Rewritten| rewritten.report.links.iter().map(|link| link.part.clone()).collect::<Vec<_>>();
    assert_eq!(parts(&twice), parts(&once), "the same links in the same parts");
});

fn check(message: &[u8], once: &Rewritten) {
    let report = &once.report;
    assert_eq!((report.bytes_in, report.bytes_out), (message.len(), once.bytes.len()));
    assert!(report.links.iter().map(|link| link.number).eq(1..=report.links.len()));
    assert!(report.links.iter().all(|link| !link.part.is_empty()));
    assert_eq!(text(header(message)), text(header(&once.bytes)));
    assert_eq!(boundaries(message), boundaries(&once.bytes));
    let is_rewritten = |outcome: &Outcome| matches!(outcome, Outcome::Rewritten { .. });
    if !report.pixel && !report.links.iter().any(|link| is_rewritten(&link.outcome)) {
        assert_eq!(text(message), text(&once.bytes), "nothing to do");
    }
}

/// Everything up to the first empty line.
fn header(message: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        if line == b"\n" || line == b"\r\n" {
            break;
        }
    }
    &message[..end]
}

/// Lines that begin with two hyphens and hold nothing that a target has. The last counts only when it
/// ends: a pixel may follow in it.
fn boundaries(message: &[u8]) -> Vec<String> {
    let lines = message.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let lines = lines.map(<[u8]>::trim_ascii_end);
    let plain = |line: &&[u8]| line.starts_with(b"--") && line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"- ".contains(byte));
    lines.filter(plain).map(|line| text(line).into_owned()).collect()
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
