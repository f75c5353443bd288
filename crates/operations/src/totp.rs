//! The second factor: codes that change with time (RFC 6238, with HMAC-SHA-1, 30 seconds and six digits, which is what
//! every authenticator takes).

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// A code is good for so many seconds.
const STEP: i64 = 30;
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Bytes as base32 without padding (RFC 4648).
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        out.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    }
    out
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut held, mut bits) = (0u32, 0);
    for letter in text.bytes() {
        held = held << 5 | LETTERS.iter().position(|l| *l == letter)? as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits & 255) as u8);
        }
    }
    Some(out)
}

fn code(key: &[u8], step: i64) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).ok()?;
    mac.update(&step.to_be_bytes());
    let sum = mac.finalize().into_bytes();
    // RFC 4226, 5.3: the last four bits say where the number lies.
    let at = usize::from(sum[19] & 15);
    let number = u32::from_be_bytes([sum[at] & 0x7f, sum[at + 1], sum[at + 2], sum[at + 3]]);
    Some(format!("{:06}", number % 1_000_000))
}

/// The step that a code belongs to: the present one, or one beside it, for clocks that differ a little.
pub(crate) fn step_of(secret: &str, given: &str, seconds: i64) -> Option<i64> {
    let key = decode(secret)?;
    let given: String = given.chars().filter(|c| !c.is_whitespace()).collect();
    let now = seconds.div_euclid(STEP);
    [now, now - 1, now + 1]
        .into_iter()
        .find(|step| code(&key, *step).is_some_and(|c| c.as_bytes().ct_eq(given.as_bytes()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_rfc_6238() {
        let key = b"12345678901234567890";
        let secret = encode(key);
        assert_eq!(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(decode(&secret).as_deref(), Some(&key[..]));
        // The last six digits of appendix B.
        for (seconds, digits) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(code(key, seconds / STEP).as_deref(), Some(digits));
            assert_eq!(step_of(&secret, digits, seconds), Some(seconds / STEP));
            assert_eq!(step_of(&secret, digits, seconds + STEP), Some(seconds / STEP), "a clock that is late");
            assert_eq!(step_of(&secret, digits, seconds + 3 * STEP), None);
        }
        assert_eq!(step_of(&secret, "287 082", 59), Some(1));
        assert_eq!(step_of("not base32!", "287082", 59), None);
    }
}
