import { Suspense, lazy } from "react";

import { useTranslation } from "./i18n";
import { routeOf, type Route } from "./routes";
import { ErrorBoundary } from "./ui/ErrorBoundary";
import { MessagePage } from "./ui/MessagePage";
import { OfflineBanner } from "./ui/OfflineBanner";

// A phone on a thin line loads the customer's page only, never the consoles.
const EntryPage = lazy(() => import("./entry/EntryPage"));
const CustomerPage = lazy(() => import("./customer/CustomerPage"));
const StaffPage = lazy(() => import("./staff/StaffPage"));
const SupervisorPage = lazy(() => import("./supervisor/SupervisorPage"));
const AuditPage = lazy(() => import("./audit/AuditPage"));

export function App() {
  return (
    <ErrorBoundary>
      <OfflineBanner />
      <Suspense fallback={<Loading />}>
        <Page route={routeOf(location.pathname)} />
      </Suspense>
    </ErrorBoundary>
  );
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case "entry":
      return <EntryPage />;
    case "visit":
      return <CustomerPage token={route.token} />;
    case "staff":
      return <StaffPage />;
    case "supervisor":
      return <SupervisorPage />;
    case "audit":
      return <AuditPage />;
    case "unknown":
      return <NotFound />;
  }
}

function NotFound() {
  const { t } = useTranslation();
  return (
    <MessagePage title={t("notFound.title")} text={t("notFound.text")} testid="page-not-found">
      <a className="plain-button" href="/">
        {t("brand.home")}
      </a>
    </MessagePage>
  );
}

function Loading() {
  const { t } = useTranslation();
  return (
    <p className="page-loading" role="status">
      {t("loading")}
    </p>
  );
}
