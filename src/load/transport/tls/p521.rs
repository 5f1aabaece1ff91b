//! ECDH over P-521, which rustls lacks. In TLS 1.2 a server may use a certificate with a P-521 key only if the client
//! offers that curve (RFC 8422, 5.1), so "any certificate" needs it.

use aws_lc_rs::agreement::{ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use tokio_rustls::rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use tokio_rustls::rustls::ffdhe_groups::FfdheGroup;
use tokio_rustls::rustls::{Error, NamedGroup, PeerMisbehaved};

/// The key exchange group secp521r1.
#[derive(Debug)]
pub struct P521;

/// The first byte of an uncompressed point, the only format that TLS has (RFC 8446, 4.2.8.2).
const UNCOMPRESSED: u8 = 4;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let own = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new()).map_err(|_| GetRandomFailed)?;
        let public = own.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(KeyExchange { own, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct KeyExchange {
    own: EphemeralPrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for KeyExchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = || Error::from(PeerMisbehaved::InvalidKeyShare);
        if peer.first() != Some(&UNCOMPRESSED) {
            return Err(invalid());
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        agree_ephemeral(self.own, peer, invalid(), |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P521_SHA512};
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::{ALL_VERSIONS, ClientConnection, ServerConfig, ServerConnection};

    use super::super::Tls;
    use super::*;
    use crate::load::{LoadPlan, LoadSettings};

    #[test]
    fn a_server_with_this_curve_alone_is_accepted() {
        let tls = Tls::new(&LoadPlan::new(LoadSettings::new("https://localhost/", 1.0)).unwrap()).unwrap();
        for version in ALL_VERSIONS {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
            let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
            let mut provider = aws_lc_rs::default_provider();
            provider.kx_groups = vec![&P521];
            let config = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[version]);
            let config = config.unwrap().with_no_client_auth();
            let config = config.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap();
            let mut server = ServerConnection::new(Arc::new(config)).unwrap();
            let mut client = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()).unwrap();
            while client.is_handshaking() || server.is_handshaking() {
                let mut bytes = Vec::new();
                client.write_tls(&mut bytes).unwrap();
                server.read_tls(&mut bytes.as_slice()).unwrap();
                server.process_new_packets().unwrap();
                bytes.clear();
                server.write_tls(&mut bytes).unwrap();
                client.read_tls(&mut bytes.as_slice()).unwrap();
                client.process_new_packets().unwrap();
            }
            let group = client.negotiated_key_exchange_group().map(|group| group.name());
            assert_eq!(group, Some(NamedGroup::secp521r1), "{version:?}");
        }
    }

    #[test]
    fn both_sides_agree_on_a_secret_and_invalid_points_are_refused() {
        let (one, other) = (P521.start().unwrap(), P521.start().unwrap());
        let (public, others) = (one.pub_key().to_vec(), other.pub_key().to_vec());
        let secrets = [one.complete(&others).unwrap(), other.complete(&public).unwrap()];
        assert_eq!(secrets[0].secret_bytes(), secrets[1].secret_bytes());
        assert_eq!(secrets[0].secret_bytes().len(), 66);
        let mut off_curve = public.clone();
        off_curve[70] ^= 1;
        for invalid in [&b""[..], &[4], &public[1..], &off_curve, &[&[2], &public[1..67]].concat()] {
            assert!(P521.start().unwrap().complete(invalid).is_err());
        }
    }
}
