//! The primitives that links and REAIDs stand on, against Wycheproof's vectors: HMAC-SHA256 whole and
//! truncated, HKDF-SHA256, ChaCha20-Poly1305. They are called as `identity` and `links` call them.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use subtle::ConstantTimeEq as _;
use wycheproof::TestResult;

#[test]
fn hmac_sha256_gives_the_tags_of_the_vectors() {
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut truncated = 0;
    for group in &set.test_groups {
        let len = group.tag_size / 8;
        truncated += usize::from(len < 32);
        for test in &group.tests {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &test.key);
            let valid = test.result == TestResult::Valid;
            let tag = hmac::sign(&key, &test.msg);
            // As links and REAIDs compare: the first bytes of the tag, in constant time.
            assert_eq!(bool::from(tag.as_ref()[..len].ct_eq(&test.tag)), valid, "case {}", test.tc_id);
            if len == 32 {
                assert_eq!(hmac::verify(&key, &test.msg, &test.tag).is_ok(), valid, "case {}", test.tc_id);
            }
            let mut context = hmac::Context::with_key(&key);
            test.msg.chunks(7).for_each(|part| context.update(part));
            assert_eq!(context.sign().as_ref(), tag.as_ref(), "case {}", test.tc_id);
        }
    }
    assert!(truncated > 0, "the set has truncated tags");
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[test]
fn hkdf_sha256_gives_the_keys_of_the_vectors() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &test.salt).extract(&test.ikm);
        // The label, a zero byte and the scope come in parts: the cut must not matter.
        let (label, scope) = test.info.split_at(test.info.len() / 2);
        let info = [label, scope];
        let mut key = vec![0; test.size];
        let filled = prk.expand(&info, Length(test.size)).and_then(|okm| okm.fill(&mut key));
        match test.result {
            TestResult::Valid | TestResult::Acceptable => {
                assert!(filled.is_ok() && key == test.okm.as_slice(), "case {}", test.tc_id);
            }
            TestResult::Invalid => assert!(filled.is_err(), "case {}", test.tc_id),
        }
    }
}

#[test]
fn chacha20_poly1305_seals_and_opens_the_vectors() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::ChaCha20Poly1305).unwrap();
    let mut opened = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let Ok(nonce) = <[u8; NONCE_LEN]>::try_from(test.nonce.as_slice()) else {
            assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
            continue;
        };
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &test.key).unwrap());
        let nonce = || Nonce::assume_unique_for_key(nonce);
        let mut sealed = test.pt.to_vec();
        key.seal_in_place_append_tag(nonce(), Aad::from(test.aad.as_slice()), &mut sealed).unwrap();
        let given = [test.ct.as_slice(), test.tag.as_slice()].concat();
        let valid = test.result == TestResult::Valid;
        assert_eq!(sealed == given, valid, "case {}", test.tc_id);
        let mut buffer = given;
        let plain = key.open_in_place(nonce(), Aad::from(test.aad.as_slice()), &mut buffer);
        assert_eq!(plain.is_ok_and(|plain| plain == test.pt.as_slice()), valid, "case {}", test.tc_id);
        opened += usize::from(valid);
    }
    assert!(opened > 200, "the set has vectors that open");
}
