import type { StaffCard as Staff } from "@vbranch/sdk";

import { useTranslation } from "../../i18n";
import { PersonIcon } from "../../ui/icons";

/** Who the customer is talking to, in sight during the whole call. */
export function StaffCard({ staff, prominent }: { staff: Staff; prominent: boolean }) {
  const { t } = useTranslation();
  return (
    <section
      className={`staff-card${prominent ? " is-prominent" : ""}`}
      data-testid="staff-card"
      aria-label={t("customer.call.staffCard")}
    >
      <PersonIcon />
      <div>
        <strong>{staff.display_name}</strong>
        <span>{staff.title}</span>
        <span>
          {t("customer.call.staffNo")} {staff.staff_no}
        </span>
      </div>
    </section>
  );
}
