//! The lifecycle of a user: which operation is allowed from which status, and what it does.

use std::time::Duration;

use serde_json::{Value, json};

use super::errors::Problem;
use super::state::{Context, State, delta};
use super::{Mail, Status};
use crate::sim::http::{Request, Response};

use Status::{
    Active, Deprovisioned, LockedOut, PasswordExpired, Provisioned, Recovery, Staged, Suspended,
};

impl State {
    /// `POST /users/{id}/lifecycle/{operation}`.
    pub fn lifecycle(
        &mut self,
        context: &Context,
        call: &Request,
        id_or_login: &str,
        operation: &str,
        base: &str,
    ) -> Result<Response, Problem> {
        let user = self.find_user(id_or_login)?;
        let (id, status, password) = (user.id.clone(), user.status, user.password);
        if let Some((target, _)) = user.transition {
            let code = if target == Deprovisioned { "E0000107" } else { "E0000112" };
            return Err(Problem::new(code));
        }
        let send = call.query("sendEmail").map(|it| it == "true");
        let empty = json!({});
        match (operation, status) {
            ("activate", Staged | Deprovisioned) => {
                let password = password && status == Staged;
                let to =
                    if password || self.switches.password_optional { Active } else { Provisioned };
                self.transition(&id, to);
                self.user_event(context, "user.lifecycle.activate", &id, &empty);
                Ok(self.invite(&id, to == Provisioned, send.unwrap_or(true), base))
            }
            ("activate", Active | Provisioned) => Err(Problem::new("E0000016")),
            ("reactivate", Provisioned | Recovery) => {
                self.change_user(&id, |_| {});
                self.user_event(context, "user.lifecycle.reactivate", &id, &empty);
                Ok(self.invite(&id, true, send.unwrap_or(false), base))
            }
            ("deactivate", Deprovisioned) => Err(Problem::missing(&id, "User")),
            ("deactivate", _) => {
                self.deactivate(context, &id);
                Ok(self.done())
            }
            ("suspend", Active) => {
                self.change_user(&id, |user| {
                    user.status = Suspended;
                    user.sessions = 0;
                });
                self.user_event(context, "user.lifecycle.suspend", &id, &empty);
                Ok(self.done())
            }
            ("suspend", _) => {
                let text = "Cannot suspend a user that is not active";
                Err(Problem::invalid("suspendUser", text))
            }
            ("unsuspend", Suspended) => {
                self.change_user(&id, |user| user.status = Active);
                self.user_event(context, "user.lifecycle.unsuspend", &id, &empty);
                Ok(self.done())
            }
            ("unsuspend", _) => {
                let text = "Cannot unsuspend a user that is not suspended";
                Err(Problem::invalid("unsuspendUser", text))
            }
            ("unlock", LockedOut) => {
                self.change_user(&id, |user| user.status = Active);
                self.user_event(context, "user.account.unlock_by_admin", &id, &empty);
                Ok(self.done())
            }
            ("unlock", _) => Err(Problem::new("E0000032").cause("The user is not locked out.")),
            ("expire_password" | "expire_password_with_temp_password", Active) => {
                self.change_user(&id, |user| user.status = PasswordExpired);
                self.user_event(context, "user.account.expire_password", &id, &empty);
                if operation == "expire_password" {
                    return self.get_user(call, &id, base);
                }
                let password = self.secret("password");
                Ok(Response::json(200, &json!({"tempPassword": password})))
            }
            (
                "activate"
                | "reactivate"
                | "expire_password"
                | "expire_password_with_temp_password",
                _,
            ) => Err(Problem::new("E0000038")),
            ("reset_password", _) if send.is_none() => {
                Err(Problem::new("E0000028").cause("sendEmail: The field is required"))
            }
            ("reset_password", Active | PasswordExpired | LockedOut | Recovery) => {
                self.change_user(&id, |user| user.status = Recovery);
                self.user_event(context, "user.account.reset_password", &id, &empty);
                if send == Some(true) {
                    self.mail(&id, "password reset");
                    return Ok(Response::json(200, &empty));
                }
                let url = format!("{base}/signin/reset-password/{}", self.secret("reset"));
                Ok(Response::json(200, &json!({"resetPasswordUrl": url})))
            }
            ("reset_password", _) => Err(Problem::new("E0000017")),
            ("reset_factors", _) => {
                self.user_event(context, "user.mfa.factor.reset_all", &id, &empty);
                Ok(self.done())
            }
            _ => Err(Problem::new("E0000008")),
        }
    }

    /// `DELETE /users/{id}`: deactivates; a deactivated user it destroys.
    pub fn delete_user(
        &mut self,
        context: &Context,
        id_or_login: &str,
    ) -> Result<Response, Problem> {
        let user = self.find_user(id_or_login)?;
        let (id, status) = (user.id.clone(), user.status);
        if status == Deprovisioned {
            let target = self.user_target(&id);
            let targets = [target];
            self.event(context, "user.lifecycle.delete.initiated", &targets, &json!({}));
            self.erase_user(&id);
            self.event(context, "user.lifecycle.delete.completed", &targets, &json!({}));
        } else {
            self.deactivate(context, &id);
        }
        Ok(Response::empty(204))
    }

    /// `DELETE /users/{id}/sessions`, by id only.
    pub fn clear_sessions(&mut self, context: &Context, id: &str) -> Result<Response, Problem> {
        if !self.users.contains_key(id) {
            return Err(Problem::missing(id, "User"));
        }
        // Not a change of the user itself: `lastUpdated` stays.
        if let Some(user) = self.users.get_mut(id) {
            user.sessions = 0;
        }
        self.user_event(context, "user.session.clear", id, &json!({}));
        Ok(Response::empty(204))
    }

    pub(super) fn deactivate(&mut self, context: &Context, id: &str) {
        self.transition(id, Deprovisioned);
        self.user_event(context, "user.lifecycle.deactivate", id, &json!({}));
    }

    /// Brings a user into a status, at once or after the transition time.
    pub(super) fn transition(&mut self, id: &str, to: Status) {
        let (now, time) = (self.now(), self.switches.transition_time);
        self.change_user(id, |user| {
            if time > Duration::ZERO {
                user.transition = Some((to, now + delta(time)));
            } else {
                user.status = to;
            }
            match to {
                Deprovisioned => {
                    user.sessions = 0;
                    user.password = false;
                }
                _ => user.activated = Some(now),
            }
        });
    }

    /// Notes that a mail would go out.
    pub(super) fn mail(&mut self, id: &str, kind: &str) {
        let at = self.now();
        if let Some(user) = self.users.get(id) {
            let to = user.text("email").to_owned();
            self.mails.push(Mail { to, user_id: id.to_owned(), kind: kind.to_owned(), at });
        }
    }

    /// Sends the activation mail, or answers with what would stand in it.
    fn invite(&mut self, id: &str, needed: bool, send: bool, base: &str) -> Response {
        if !needed {
            return Response::json(200, &json!({}));
        }
        if send {
            self.mail(id, "activation");
            return Response::json(200, &json!({}));
        }
        let token = self.secret("activation");
        let url = format!("{base}/welcome/{token}");
        Response::json(200, &json!({"activationUrl": url, "activationToken": token}))
    }

    fn done(&self) -> Response {
        if self.switches.empty_bodies {
            return Response::empty(200);
        }
        Response::json(200, &Value::Object(serde_json::Map::new()))
    }
}
