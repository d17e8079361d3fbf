//! A day on which everything comes that can be asked for, signed in by OAuth on both sides, and
//! closed by tasks.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use goldthread::sim::okta::{PublicKey, ServiceApp, Status};
use serde_json::json;

use super::bed::Bed;
use super::day::{Day, DesiredStatus, Program};

impl Day {
    /// Somebody goes on leave and somebody comes back from it, somebody is hired again, moves to
    /// another department, and loses access; besides everything that an ordinary day has.
    pub fn busy() -> Self {
        let bed = Bed::of(40);
        let [away, back, rehired, moved, revoked] = [10, 11, 12, 13, 14].map(|it| bed.employee(it));
        bed.away(&back, "2026-03-01", "");
        bed.leave(&rehired);
        bed.access("Add", &revoked, &["app-figma"], "");
        Program::start(&bed).sync(&bed, &goldthread::sync::Scope::Full).expect("a good morning");
        let mut day = Self::of(bed.add_config("\n[writeback]\nclose = \"task\"\n"));
        day.stop();

        // The program's keys are good by the real time, and so is Okta's clock from now on.
        let now = chrono::Utc::now().to_rfc3339();
        day.bed.at(&now);
        day.bed.stage.clock.run();
        let department = if moved.department == "Finance" { "Marketing" } else { "Finance" };
        let id = day.bed.stage.company.department_id(department);
        day.bed.record(&moved, &[("department", &id)]);
        let rejoined = day.bed.join(&rehired, &[]);
        let returned = day.bed.back(&back, "");
        day.requests.extend([
            day.bed.away(&away, "2026-03-01", ""),
            returned,
            rejoined,
            day.bed.moved(&moved),
            day.bed.access("Remove", &revoked, &["app-figma"], ""),
        ]);
        for (nth, request) in day.requests.iter().enumerate() {
            let (number, id) = (format!("SCTASK009{nth:04}"), request.sys_id.as_str());
            let task = [("number", number.as_str()), ("request_item", id), ("parent", id)];
            let open = [("state", "1"), ("active", "true")];
            day.bed.stage.servicenow.insert("sc_task", &[&task[..], &open[..]].concat());
        }
        let desired_status = |who, what, holds| DesiredStatus { who, what, holds };
        day.more = vec![
            desired_status(away, "who is away is not suspended", |it, _| {
                it.status == Status::Suspended
            }),
            desired_status(back, "who came home is not active", |it, _| {
                it.status == Status::Active
            }),
            desired_status(rehired, "who came back has no account in use", |it, who| {
                it.status == Status::Provisioned && it.groups == [who.department.as_str()]
            }),
            desired_status(moved, "who moved is in the old place", |it, who| {
                let new = if who.department == "Finance" { "Marketing" } else { "Finance" };
                it.text("department") == new && it.groups == [new]
            }),
            desired_status(revoked, "who lost access has it", |it, who| {
                it.groups == [who.department.as_str()]
            }),
        ];
        day.by_task = true;
        day.sign_in_by_oauth();
        day.bed.forget_calls();
        day.start();
        day
    }

    fn sign_in_by_oauth(&mut self) {
        let (pem, jwk) = key_pair();
        let scopes = [
            "okta.users.manage",
            "okta.groups.manage",
            "okta.logs.read",
            "okta.schemas.read",
            "okta.roles.read",
        ];
        self.bed.stage.okta.register_app(ServiceApp {
            client_id: "0oagoldthread".to_owned(),
            name: "Goldthread".to_owned(),
            keys: vec![PublicKey::from_jwk(&jwk).unwrap()],
            dpop: true,
            scopes: scopes.map(str::to_owned).into(),
            roles: vec!["SUPER_ADMIN".to_owned()],
        });
        let credentials = self.bed.stage.servicenow.credentials();
        let folder = self.bed.folder.path();
        std::fs::write(folder.join("okta-key"), pem).unwrap();
        std::fs::write(folder.join("servicenow-secret"), &credentials.client_secret).unwrap();
        let written = std::fs::read_to_string(self.bed.write_config()).unwrap();
        let mut auths = written.lines().filter(|line| line.starts_with("auth = "));
        let (servicenow, okta) = (auths.next().unwrap(), auths.next().unwrap());
        self.bed.reconfigure(
            servicenow,
            &format!(
                "auth = {{ kind = \"oauth\", client_id = \"{}\", client_secret = \"file:servicenow-secret\" }}",
                credentials.client_id
            ),
        );
        self.bed.reconfigure(
            okta,
            "auth = { kind = \"service-app\", client_id = \"0oagoldthread\", key = \"file:okta-key\", dpop = true }",
        );
    }
}

/// A fresh key pair: the private half as PEM, the public half as a JWK.
fn key_pair() -> (String, serde_json::Value) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der = STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref());
    let lines: Vec<&str> =
        der.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let der = lines.join("\n");
    let point = &pair.public_key().as_ref()[1..];
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
        "x": URL_SAFE_NO_PAD.encode(&point[..32]), "y": URL_SAFE_NO_PAD.encode(&point[32..]),
    });
    (format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"), jwk)
}
