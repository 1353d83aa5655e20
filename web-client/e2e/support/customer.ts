import { type Page, expect } from "@playwright/test";

import type { CallView } from "./call";
import type { Person } from "./people";

/** A customer's way through a visit, in the words of the page. */
export class Customer {
  /** When this customer's media went to the server: the recording begins. */
  joinedAt = 0;

  constructor(
    readonly person: Person,
    private readonly url: string,
  ) {}

  get page(): Page {
    return this.person.page;
  }

  /** From the demo entry to the consents. */
  async start(): Promise<void> {
    await this.page.goto(this.url);
    await expect(this.page.getByTestId("start-visit")).toBeVisible();
    await this.person.picture("01-entry");
    await this.page.getByTestId("start-visit").click();
    await expect(this.page).toHaveURL(/\/v\/[A-Za-z0-9_-]+/);
    await this.openConsents();
  }

  /** With a link that the bank has sent. */
  async open(path: string): Promise<void> {
    await this.page.goto(`${this.url}${path}`);
  }

  get token(): string {
    return new URL(this.page.url()).pathname.replace("/v/", "");
  }

  /** The call as this customer is told it. */
  async call(): Promise<CallView> {
    const answer = await this.page.request.get(`${this.url}/api/v1/customer/visit`, {
      headers: { Authorization: `Bearer ${this.token}` },
    });
    return (await answer.json()).call;
  }

  /** Past the words of welcome. */
  async openConsents(): Promise<void> {
    await expect(this.page.getByTestId("visit-welcome")).toBeVisible();
    await this.person.picture("01-welcome");
    await this.page.getByTestId("welcome-continue").click();
    await expect(this.page.getByTestId("consents-submit")).toBeVisible();
  }

  async consent(face: "face" | "no face"): Promise<void> {
    await this.page.getByTestId("consent-recording").click();
    const choice = face === "face" ? "consent-face" : "consent-face-decline";
    await this.page.getByTestId(choice).click();
    await this.person.picture("02-consents");
    await this.page.getByTestId("consents-submit").click();
  }

  /** Looks at the own picture, goes on. */
  async checkMedia(): Promise<void> {
    await expect(this.page.getByTestId("media-check")).toBeVisible();
    await expect(this.page.getByTestId("media-continue")).toBeEnabled();
    await this.person.picture("03-media-check");
    this.joinedAt = Date.now();
    await this.page.getByTestId("media-continue").click();
  }

  /** Starts checks as long as there are any left, until the way to staff is open. */
  async checkFace(withinMs: number): Promise<void> {
    const deadline = Date.now() + withinMs;
    const queue = this.page.getByTestId("queue-position");
    const start = this.page.getByTestId("liveness-start");
    const pictures = new Map([
      ["04-liveness", this.page.getByTestId("liveness-challenge")],
      ["04-liveness-flash", this.page.getByTestId("liveness-flash")],
    ]);
    await expect(start.or(queue)).toBeVisible();
    while (!(await queue.isVisible())) {
      if (Date.now() > deadline) throw new Error("the face check did not end in time");
      if (await start.isVisible().catch(() => false))
        await start.click({ timeout: 2_000 }).catch(() => undefined);
      for (const [name, seen] of pictures) {
        if (!(await seen.isVisible())) continue;
        await this.person.picture(name);
        pictures.delete(name);
      }
      await this.page.waitForTimeout(200);
    }
  }

  async expectToWait(): Promise<void> {
    await expect(this.page.getByTestId("queue-position")).toBeVisible();
    await this.person.picture("05-waiting");
  }

  async answer(answer: "yes" | "no"): Promise<void> {
    await this.page.getByTestId(`question-${answer}`).click();
  }

  /** Draws on the pad with the pointer, as a finger does. */
  async sign(): Promise<void> {
    const pad = this.page.getByTestId("signature-pad");
    await expect(pad).toBeVisible();
    await pad.scrollIntoViewIfNeeded();
    const box = await pad.boundingBox();
    if (box === null) throw new Error("the signature pad has no size");
    const at = (x: number, y: number): [number, number] => [
      box.x + box.width * x,
      box.y + box.height * y,
    ];
    const mouse = this.page.mouse;
    await mouse.move(...at(0.2, 0.7));
    await mouse.down();
    for (const [x, y] of [
      [0.3, 0.2],
      [0.4, 0.8],
      [0.5, 0.3],
      [0.6, 0.7],
      [0.8, 0.4],
    ] as const) {
      await mouse.move(...at(x, y), { steps: 5 });
    }
    await mouse.up();
    await this.person.picture("08-signature");
    await this.page.getByTestId("signature-submit").click();
  }

  async expectClosed(outcome: string): Promise<void> {
    const closed = this.page.getByTestId("visit-closed");
    await expect(closed).toBeVisible();
    await expect(closed).toHaveAttribute("data-outcome", outcome);
    await this.person.picture(`10-closed-${outcome}`);
  }
}
