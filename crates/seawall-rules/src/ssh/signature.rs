//! Signatures as SSH writes them, turned into what verifiers take.

use super::wire::Reader;

/// An ECDSA signature (RFC 5656 section 3.1.2) as two numbers of `width` bytes each.
pub fn ecdsa_fixed(signature: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut reader = Reader::new(signature);
    let mut fixed = Vec::with_capacity(width * 2);
    for _ in 0..2 {
        let number = reader.positive().ok()?;
        fixed.resize(fixed.len() + width.checked_sub(number.len())?, 0);
        fixed.extend_from_slice(number);
    }
    reader.end().ok()?;
    Some(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_are_padded_to_their_width() {
        let signature = [0, 0, 0, 1, 7, 0, 0, 0, 3, 0, 0x80, 9];
        assert_eq!(ecdsa_fixed(&signature, 2), Some(vec![0, 7, 0x80, 9]));
        assert_eq!(ecdsa_fixed(&signature, 1), None);
        assert_eq!(ecdsa_fixed(&signature[..11], 2), None);
        assert_eq!(ecdsa_fixed(&[signature.as_slice(), &[0]].concat(), 2), None);
    }
}
