import { type APIResponse, type Page, expect } from "@playwright/test";

import type { CallView } from "./call";
import type { Customer } from "./customer";
import type { Person } from "./people";

export type Step = { id: string; kind: string; by: "staff" | "customer"; state: string };
export type Verdict = {
  outcome: "pass" | "fail" | "refer";
  reason: string;
  signals: { name: string; score: number; threshold: number; passed: boolean }[];
  frames: number;
};
export type StaffView = {
  visit: string;
  state: string;
  liveness: { status: string; verdict: Verdict | null };
  watch: { participant: string; alarms: string[] }[];
  steps: Step[];
  alarms: { code: string; who: string | null }[];
  call: CallView;
  recording: { state: string; stores: { a: string; b: string } };
};

/** A staff member at the desk. */
export class Staff {
  private visitId: string | null = null;

  constructor(
    readonly person: Person,
    private readonly url: string,
  ) {}

  get page(): Page {
    return this.person.page;
  }

  async signIn(): Promise<void> {
    await this.page.goto(`${this.url}/staff`);
    await signIn(this.page, "staff", "staff-demo");
  }

  /** Takes the first customer of the queue. */
  async accept(): Promise<void> {
    const row = this.page.getByTestId("queue-row").first();
    await expect(row).toBeVisible();
    await this.person.picture("05-queue");
    await row.getByTestId("queue-accept").click();
    await expect(this.page.getByTestId("remote-video")).toBeVisible();
    const { visits } = await (await this.get("/api/v1/visits")).json();
    this.visitId = visits.find((entry: { mine: boolean }) => entry.mine).visit;
  }

  get visit(): string {
    if (this.visitId === null) throw new Error("no visit was accepted");
    return this.visitId;
  }

  async view(): Promise<StaffView> {
    return (await this.get(`/api/v1/visits/${this.visit}`)).json();
  }

  async expectRecording(state: string, withinMs = 30_000): Promise<void> {
    await expect(this.page.getByTestId("recording-state").first()).toHaveAttribute(
      "data-state",
      state,
      { timeout: withinMs },
    );
  }

  /** A visit to which the bank has the picture on the customer's document; gives the path of its link. */
  async invite(portrait: Buffer): Promise<string> {
    const made = await this.post("/api/v1/visits", { product: "demo-loan" });
    expect(made.status()).toBe(201);
    const { visit, token } = await made.json();
    const kept = await this.page.request.put(`${this.url}/api/v1/visits/${visit}/portrait`, {
      data: portrait,
      headers: { Origin: this.url, "Content-Type": "image/jpeg" },
    });
    expect(kept.status()).toBe(204);
    return `/v/${token}`;
  }

  /** A request as this staff member's page makes it. */
  async get(path: string): Promise<APIResponse> {
    return this.page.request.get(`${this.url}${path}`);
  }

  async post(path: string, data: object = {}): Promise<APIResponse> {
    return this.page.request.post(`${this.url}${path}`, { data, headers: { Origin: this.url } });
  }

  /** Leads the customer through every step, in the order of the script. */
  async lead(customer: Customer): Promise<string[]> {
    const { steps } = await this.view();
    for (const step of steps) await this.doStep(step, customer);
    return steps.map((step) => step.kind);
  }

  async doStep(step: Step, customer: Customer): Promise<void> {
    const mine = this.page.getByTestId(`step-${step.id}`);
    await this.openStep(step);
    await expect(customer.page.getByTestId(`step-${step.id}`)).toHaveAttribute(
      "data-state",
      "open",
    );
    await this.person.picture(`07-step-${step.kind}`);
    await customer.person.picture(`07-step-${step.kind}`);
    if (step.kind === "question") await customer.answer("yes");
    else if (step.kind === "signature") await customer.sign();
    else if (step.kind === "document") await this.captureDocument();
    else await this.page.getByTestId("step-complete").click();
    await expect(mine).toHaveAttribute("data-state", "done");
  }

  async openStep(step: Step): Promise<void> {
    const mine = this.page.getByTestId(`step-${step.id}`);
    await expect(mine.getByTestId("step-open")).toBeEnabled();
    await mine.getByTestId("step-open").click();
    await expect(mine).toHaveAttribute("data-state", "open");
  }

  private async captureDocument(): Promise<void> {
    await this.page.getByTestId("document-capture").click();
    await expect(this.page.getByTestId("document-preview")).toBeVisible();
    await this.person.picture("07-document-still");
    await this.page.getByTestId("step-complete").click();
  }

  /** Looks at what the verdict of the face check rests on. */
  async openFaceCheck(outcome: Verdict["outcome"]): Promise<void> {
    await this.page.getByTestId("face-check-open").click();
    const check = this.page.getByTestId("face-check");
    await expect(check).toHaveAttribute("data-state", "shown");
    await expect(check).toHaveAttribute("data-outcome", outcome);
    await expect(check.getByTestId("kyc-signal").first()).toBeVisible();
  }

  async close(outcome: "completed" | "declined" | "abandoned"): Promise<void> {
    await this.page.getByTestId("close-visit").click();
    await this.page.getByTestId(`close-outcome-${outcome}`).click();
    await this.expectClosed(outcome);
  }

  async expectClosed(outcome: string): Promise<void> {
    const closed = this.page.getByTestId("visit-closed");
    await expect(closed).toBeVisible();
    await expect(closed).toHaveAttribute("data-outcome", outcome);
    await this.person.picture(`10-closed-${outcome}`);
  }
}

export async function signIn(page: Page, username: string, password: string): Promise<void> {
  await page.getByTestId("signin-username").fill(username);
  await page.getByTestId("signin-password").fill(password);
  await page.getByTestId("signin-submit").click();
  await expect(page.getByTestId("signin-submit")).toBeHidden();
}
