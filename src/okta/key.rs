//! Private keys, and signing with them (JWS in its compact form).
//!
//! Signing goes to `aws-lc-rs`, which reqwest brings along anyway: it takes every key form that
//! Okta's console gives out, and P-521, which the usual JWT crates do not sign with.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{self, PemObject};
use secrecy::zeroize::Zeroize;
use serde_json::{Map, Value, json};

/// Why a key cannot be used. Never shows any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the private key cannot be used: {0}")]
pub(super) struct KeyError(&'static str);

/// A private key with the algorithm that it signs by.
pub(super) struct SigningKey {
    algorithm: &'static str,
    /// Its id at Okta, where that is known.
    pub kid: Option<String>,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

struct Curve {
    jwk: &'static str,
    algorithm: &'static str,
    signing: &'static EcdsaSigningAlgorithm,
    /// Octets of a coordinate.
    size: usize,
}

const CURVES: [Curve; 3] = [
    Curve { jwk: "P-256", algorithm: "ES256", signing: &ECDSA_P256_SHA256_FIXED_SIGNING, size: 32 },
    Curve { jwk: "P-384", algorithm: "ES384", signing: &ECDSA_P384_SHA384_FIXED_SIGNING, size: 48 },
    Curve { jwk: "P-521", algorithm: "ES512", signing: &ECDSA_P521_SHA512_FIXED_SIGNING, size: 66 },
];

impl SigningKey {
    /// Reads a key: PEM (PKCS#8, PKCS#1 RSA, SEC 1 EC) or JWK (RSA or EC).
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with('{') { Self::from_jwk(text) } else { Self::from_pem(text) }
    }

    /// A new P-256 key that lives as long as the process.
    pub(crate) fn ephemeral() -> Result<Self, KeyError> {
        let [curve, ..] = &CURVES;
        let pair = EcdsaKeyPair::generate(curve.signing)
            .map_err(|_| KeyError("no new key could be made"))?;
        Ok(Self { algorithm: curve.algorithm, kid: None, pair: Pair::Ec(pair) })
    }

    /// The public half of an EC key as a JWK; `None` for RSA.
    pub(crate) fn public_jwk(&self) -> Option<Value> {
        let Pair::Ec(pair) = &self.pair else { return None };
        let curve = CURVES.iter().find(|curve| curve.algorithm == self.algorithm)?;
        // An uncompressed point: one octet 4, then both coordinates.
        let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(curve.size)?;
        Some(json!({"kty": "EC", "crv": curve.jwk, "x": base64url(x), "y": base64url(y)}))
    }

    /// A signed JWT. `header` is completed with `alg`.
    pub(crate) fn sign(
        &self,
        mut header: Map<String, Value>,
        claims: &Value,
    ) -> Result<String, KeyError> {
        header.insert("alg".to_owned(), self.algorithm.into());
        let header = base64url(Value::Object(header).to_string().as_bytes());
        let mut token = format!("{header}.{}", base64url(claims.to_string().as_bytes()));
        let random = SystemRandom::new();
        let refused = |_| KeyError("it does not sign");
        let signature = match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, token.as_bytes(), &mut signature).map_err(refused)?;
                base64url(&signature)
            }
            Pair::Ec(pair) => {
                base64url(pair.sign(&random, token.as_bytes()).map_err(refused)?.as_ref())
            }
        };
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }

    fn from_pem(text: &str) -> Result<Self, KeyError> {
        // Blocks of another kind are passed over, such as the parameters that
        // `openssl ecparam -genkey` puts in front.
        let mut key =
            PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
                _ if text.contains("ENCRYPTED") => KeyError("it is protected by a passphrase"),
                pem::Error::NoItemsFound if text.contains("-----BEGIN ") => {
                    KeyError("the PEM block is not a private key")
                }
                _ => KeyError("it is neither PEM nor a JWK"),
            })?;
        let read = match &key {
            PrivateKeyDer::Pkcs8(der) => match RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()) {
                Ok(pair) => Ok(Self::rsa(pair, None, None)),
                Err(_) => Self::from_ec_der(der.secret_pkcs8_der()),
            },
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .map(|pair| Self::rsa(pair, None, None))
                .map_err(|_| KeyError("it is not a valid RSA key of at least 2048 bits")),
            PrivateKeyDer::Sec1(der) => Self::from_ec_der(der.secret_sec1_der()),
            _ => Err(KeyError("the PEM block is not a private key")),
        };
        key.zeroize();
        read
    }

    fn from_ec_der(der: &[u8]) -> Result<Self, KeyError> {
        CURVES
            .iter()
            .find_map(|curve| {
                let pair = EcdsaKeyPair::from_private_key_der(curve.signing, der).ok()?;
                Some(Self { algorithm: curve.algorithm, kid: None, pair: Pair::Ec(pair) })
            })
            .ok_or(KeyError(
                "it is neither RSA of at least 2048 bits nor EC on P-256, P-384 or P-521",
            ))
    }

    fn from_jwk(text: &str) -> Result<Self, KeyError> {
        let jwk: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| KeyError("it is not valid JSON"))?;
        let word = |name: &str| jwk.get(name).and_then(Value::as_str);
        let octets = |name: &str| {
            word(name).and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok())
        };
        let kid = word("kid").map(str::to_owned);
        match word("kty") {
            Some("RSA") => {
                let missing = KeyError(
                    "an RSA JWK must hold n, e, d, p, q, dp, dq and qi (only a public key?)",
                );
                let part = |name: &str| octets(name).ok_or(missing.clone());
                let pair = RsaKeyPair::from_components(&KeyPairComponents {
                    public_key: PublicKeyComponents { n: part("n")?, e: part("e")? },
                    d: part("d")?,
                    p: part("p")?,
                    q: part("q")?,
                    dP: part("dp")?,
                    dQ: part("dq")?,
                    qInv: part("qi")?,
                })
                .map_err(|_| KeyError("its parts do not make an RSA key of at least 2048 bits"))?;
                Ok(Self::rsa(pair, kid, word("alg")))
            }
            Some("EC") => {
                let curve = CURVES
                    .iter()
                    .find(|curve| Some(curve.jwk) == word("crv"))
                    .ok_or(KeyError("its curve is none of P-256, P-384 and P-521"))?;
                let part = |name: &str| {
                    octets(name)
                        .filter(|part| part.len() == curve.size)
                        .ok_or(KeyError("an EC JWK must hold d, x and y (only a public key?)"))
                };
                let point = [vec![4], part("x")?, part("y")?].concat();
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    curve.signing,
                    &part("d")?,
                    &point,
                )
                .map_err(|_| KeyError("its parts do not make an EC key"))?;
                Ok(Self { algorithm: curve.algorithm, kid, pair: Pair::Ec(pair) })
            }
            _ => Err(KeyError("the JWK's kty is neither RSA nor EC")),
        }
    }

    fn rsa(pair: RsaKeyPair, kid: Option<String>, wanted: Option<&str>) -> Self {
        let (algorithm, encoding): (_, &'static dyn RsaEncoding) = match wanted {
            Some("RS384") => ("RS384", &RSA_PKCS1_SHA384),
            Some("RS512") => ("RS512", &RSA_PKCS1_SHA512),
            _ => ("RS256", &RSA_PKCS1_SHA256),
        };
        Self { algorithm, kid, pair: Pair::Rsa(Box::new(pair), encoding) }
    }
}

/// Base64url without padding, as all parts of a JWT.
pub(super) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A new `jti`: 128 random bits.
pub(super) fn unique() -> Result<String, KeyError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError("no random numbers"))?;
    Ok(base64url(&bytes))
}
