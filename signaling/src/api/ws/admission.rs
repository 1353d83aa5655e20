//! Who listens, and to what: what must be true before anything is pushed.

use vbranch_domain::{Redacted, VisitId};

use super::{Connection, End, Who};
use crate::{
    api::{
        App, Problem,
        lookup::{may_watch, not_theirs},
        message::ServerMessage,
        staff::Viewer,
    },
    auth::{Session, SessionError, Token, TokenHash},
    store::Role,
};

impl Connection {
    pub(super) async fn hello_customer(
        &mut self,
        shown: Redacted<String>,
    ) -> Result<(), Option<End>> {
        let visit = match Token::parse(shown.expose()) {
            Some(token) => self.app.visit_of_link(&token.hash()).await,
            None => Err(Problem::LINK_UNKNOWN),
        };
        let visit = match visit {
            Ok(visit) => visit,
            Err(problem) => return self.refuse(problem).await,
        };
        self.who = Who::Customer;
        self.visit = Some(visit);
        match self.app.branch.watch(visit).await {
            Ok(Some(mut views)) => {
                views.mark_changed();
                self.views = Some(views);
                Ok(())
            }
            // Over long ago: there is one snapshot and no other will come.
            Ok(None) => match self.app.customer_view(visit).await {
                Ok(view) => {
                    self.send(&ServerMessage::CustomerVisit { visit: Box::new(view) }).await
                }
                Err(problem) => self.refuse(problem).await,
            },
            Err(error) => self.refuse(error.into()).await,
        }
    }

    pub(super) async fn hello_staff(&mut self) -> Result<(), Option<End>> {
        let session = match session(&self.app, self.cookie).await {
            Ok(session) => session,
            Err(problem) => return self.refuse(problem).await,
        };
        let supervises = match session.account.role {
            Role::Staff => false,
            Role::Supervisor => true,
            Role::Auditor | Role::Admin => return self.refuse(Problem::FORBIDDEN).await,
        };
        self.who = Who::Staff(Viewer { id: session.account.id, supervises });
        self.session_ended = self.app.sessions.ended(&session.token);
        let mut queue = self.app.branch.queue();
        queue.mark_changed();
        self.queue = Some(queue);
        Ok(())
    }

    pub(super) async fn watch_as_staff(
        &mut self,
        visit: VisitId,
        me: Viewer,
    ) -> Result<(), Option<End>> {
        match self.app.branch.watch(visit).await {
            Ok(Some(mut views)) => {
                let allowed = may_watch(&views.borrow(), me);
                if let Err(problem) = allowed {
                    return self.complain(&problem).await;
                }
                views.mark_changed();
                if self.visit.replace(visit) != Some(visit) {
                    self.cpu = None;
                }
                // Who asks is answered, also with what they know.
                self.sent_visit = None;
                self.views = Some(views);
                Ok(())
            }
            Ok(None) => match self.app.staff_view(visit, me.id).await {
                Ok(view) => self.send(&ServerMessage::StaffVisit { visit: Box::new(view) }).await,
                Err(problem) if problem == Problem::NOT_YOUR_VISIT => {
                    self.complain(&not_theirs(me)).await
                }
                Err(problem) => self.complain(&problem).await,
            },
            Err(error) => self.refuse(error.into()).await,
        }
    }
}

/// Who is signed in by this cookie, now.
pub(super) async fn session(app: &App, cookie: Option<TokenHash>) -> Result<Session, Problem> {
    let token = cookie.ok_or(Problem::NOT_SIGNED_IN)?;
    match app.sessions.authenticate(&token).await {
        Ok(session) => Ok(session),
        Err(SessionError::Invalid) => Err(Problem::NOT_SIGNED_IN),
        Err(error) => Err(Problem::unavailable("the session could not be checked", &error)),
    }
}
