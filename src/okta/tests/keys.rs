//! Every form in which a key may come. The keys are made on the spot, so none is in the source.

use aws_lc_rs::encoding::{
    AsBigEndian, AsDer, EcPrivateKeyBin, EcPrivateKeyRfc5915Der, Pkcs8V1Der,
};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pkcs1::der::{Any, Decode};
use serde_json::{Map, Value, json};

use super::super::key::{SigningKey, base64url};

/// PEM of these DER octets.
pub fn pem(label: &'static str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A new P-256 key as PEM.
pub fn ec_pem() -> String {
    ec_pair().0
}

/// A new P-256 key pair: the private half as PEM, the public half as JWK.
pub fn ec_pair() -> (String, Value) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)});
    (pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()), jwk)
}

/// Header or claims of a JWT.
pub fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn assert_signs(
    text: &str,
    algorithm: &str,
    verification: &'static dyn VerificationAlgorithm,
    public_key: &[u8],
) {
    let key = SigningKey::parse(text).unwrap();
    let token = key.sign(Map::new(), &json!({"iss": "0oa1"})).unwrap();
    assert_eq!(part(&token, 0)["alg"], algorithm);
    assert_eq!(part(&token, 1)["iss"], "0oa1");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(verification, public_key)
        .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .unwrap();
}

#[test]
fn rsa_keys_sign_whether_they_come_as_pkcs8_pkcs1_or_jwk() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key().as_ref();
    let pkcs8: Pkcs8V1Der = pair.as_der().unwrap();
    // Version, algorithm, and the key itself as octets.
    let parts = Vec::<Any>::from_der(pkcs8.as_ref()).unwrap();
    let pkcs1 = parts[2].value();
    let parts = pkcs1::RsaPrivateKeyRef::from_der(pkcs1).unwrap();
    let jwk = json!({"kty": "RSA", "kid": "k1", "alg": "RS256",
        "n": base64url(parts.modulus.as_bytes()), "e": base64url(parts.public_exponent.as_bytes()),
        "d": base64url(parts.private_exponent.as_bytes()), "p": base64url(parts.prime1.as_bytes()),
        "q": base64url(parts.prime2.as_bytes()), "dp": base64url(parts.exponent1.as_bytes()),
        "dq": base64url(parts.exponent2.as_bytes()), "qi": base64url(parts.coefficient.as_bytes())})
    .to_string();

    for text in [&pem("PRIVATE KEY", pkcs8.as_ref()), &pem("RSA PRIVATE KEY", pkcs1), &jwk] {
        assert_signs(text, "RS256", &RSA_PKCS1_2048_8192_SHA256, public);
    }
    assert_eq!(SigningKey::parse(&jwk).unwrap().kid.as_deref(), Some("k1"));
    let other = jwk.replace("RS256", "RS512");
    let token = SigningKey::parse(&other).unwrap().sign(Map::new(), &json!({})).unwrap();
    assert_eq!(part(&token, 0)["alg"], "RS512");
}

#[test]
fn ec_keys_sign_on_each_curve_whether_they_come_as_pkcs8_sec1_or_jwk() {
    let curves: [(_, _, &'static dyn VerificationAlgorithm, _); 3] = [
        ("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_FIXED, "ES256"),
        ("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED, "ES384"),
        ("P-521", &ECDSA_P521_SHA512_FIXED_SIGNING, &ECDSA_P521_SHA512_FIXED, "ES512"),
    ];
    for (name, signing, verification, algorithm) in curves {
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let public = pair.public_key().as_ref();
        let sec1: EcPrivateKeyRfc5915Der = pair.private_key().as_der().unwrap();
        let scalar: EcPrivateKeyBin = pair.private_key().as_be_bytes().unwrap();
        let (x, y) = public[1..].split_at(public.len() / 2);
        let jwk = json!({"kty": "EC", "crv": name, "x": base64url(x), "y": base64url(y),
            "d": base64url(scalar.as_ref())});
        let sec1 = pem("EC PRIVATE KEY", sec1.as_ref());
        let with_parameters = format!(
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{sec1}"
        );
        let pkcs8 = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
        for text in [&pkcs8, &sec1, &with_parameters, &jwk.to_string()] {
            assert_signs(text, algorithm, verification, public);
        }
    }
}

#[test]
fn a_key_that_cannot_be_used_is_refused_without_showing_it() {
    let public_only =
        json!({"kty": "EC", "crv": "P-256", "x": "c2VjcmV0", "y": "c2VjcmV0"}).to_string();
    for text in ["c2VjcmV0", "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}", "{c2VjcmV0", &public_only, ""]
    {
        let error = SigningKey::parse(text).unwrap_err().to_string();
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }
    assert!(!format!("{:?}", SigningKey::parse(&ec_pem()).unwrap()).contains("pair"));
}
