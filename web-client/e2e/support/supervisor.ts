import { type Page, expect } from "@playwright/test";

import type { CallView } from "./call";
import type { Person } from "./people";
import { signIn } from "./staff";

export type Mode = "silent" | "whispering" | "barged_in";

/** A supervisor who attends a colleague's call. */
export class Supervisor {
  constructor(
    readonly person: Person,
    private readonly url: string,
  ) {}

  get page(): Page {
    return this.person.page;
  }

  async signIn(): Promise<void> {
    await this.page.goto(`${this.url}/supervisor`);
    await signIn(this.page, "supervisor", "supervisor-demo");
  }

  /** Begins to listen to the call of this visit. */
  async attend(visit: string): Promise<void> {
    const row = this.page.locator(`[data-testid=call-row][data-visit="${visit}"]`);
    await expect(row).toBeVisible();
    await this.person.picture("20-calls");
    await row.getByTestId("attend").click();
    await this.expectMode("silent");
  }

  async goOn(mode: Mode): Promise<void> {
    await this.page.getByTestId(`mode-${mode}`).click();
    await this.expectMode(mode);
  }

  async leave(): Promise<void> {
    await this.page.getByTestId("attend-leave").click();
    await expect(
      this.page.getByTestId("calls").or(this.page.getByTestId("calls-empty")),
    ).toBeVisible();
  }

  /** Leaves from another window: this one has to hear of it. */
  async leaveElsewhere(visit: string): Promise<void> {
    const path = `${this.url}/api/v1/visits/${visit}/supervision`;
    const headers = { "Content-Type": "application/json" };
    expect((await this.page.request.delete(path, { headers })).status()).toBe(204);
    await expect(this.page.getByTestId("calls")).toBeVisible();
  }

  async call(visit: string): Promise<CallView> {
    const path = `${this.url}/api/v1/visits/${visit}/supervision`;
    return (await (await this.page.request.get(path)).json()).call;
  }

  private async expectMode(mode: Mode): Promise<void> {
    await expect(this.page.getByTestId("attended")).toHaveAttribute("data-mode", mode);
  }
}
