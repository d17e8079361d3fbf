//! The rate rule: so many calls in a clock hour, announced without what remains.

use super::errors::error;
use super::state::State;
use crate::sim::http::Response;

impl State {
    /// Counts a call. The headers that announce the rule, or its refusal.
    pub(super) fn admit(&mut self) -> Result<Vec<(String, String)>, Response> {
        let Some(limit) = self.switches.hourly_limit else {
            return Ok(Vec::new());
        };
        let now = self.clock.now().timestamp();
        let hour = now.div_euclid(3600);
        if self.counted.0 != hour {
            self.counted = (hour, 0);
        }
        self.counted.1 += 1;
        let reset = (hour + 1) * 3600;
        let announced = self.switches.announced_limit.clone();
        let headers = vec![
            ("X-RateLimit-Limit".to_owned(), announced.unwrap_or_else(|| limit.to_string())),
            ("X-RateLimit-Reset".to_owned(), reset.to_string()),
            ("X-RateLimit-Rule".to_owned(), "5f1c2d3e4b5a69788796a5b4c3d2e1f0".to_owned()),
        ];
        if self.counted.1 <= limit {
            return Ok(headers);
        }
        let detail = format!("Rate limit of {limit} requests per hour for Table API exceeded");
        let mut refusal = error(429, "Rate limit exceeded", Some(&detail));
        refusal.headers.extend(headers);
        Err(refusal.with_header("Retry-After", (reset - now).to_string()))
    }
}
