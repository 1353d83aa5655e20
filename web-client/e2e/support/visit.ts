import { type TestInfo, test as base } from "@playwright/test";

import { Branch } from "./branch";
import { Customer } from "./customer";
import { expectToSeeAndHear } from "./media";
import { Person } from "./people";
import { Staff } from "./staff";
import { Supervisor } from "./supervisor";

/** A branch, a customer on a phone and a staff member at a desk. */
export class Scene {
  private readonly people: Person[] = [];

  private constructor(public branch: Branch) {}

  static async open(options: Parameters<typeof Branch.start>[0] = {}): Promise<Scene> {
    return new Scene(await Branch.start(options));
  }

  async person(
    where: "onPhone" | "atDesk",
    name: string,
    devices: Parameters<typeof Person.onPhone>[1] = {},
  ): Promise<Person> {
    const person = await Person[where](name, devices);
    this.people.push(person);
    return person;
  }

  async customer(devices: Parameters<typeof Person.onPhone>[1] = {}): Promise<Customer> {
    return new Customer(
      await this.person("onPhone", "customer", { toneHz: 330, ...devices }),
      this.branch.url,
    );
  }

  async staff(devices: Parameters<typeof Person.onPhone>[1] = {}): Promise<Staff> {
    return new Staff(
      await this.person("atDesk", "staff", { toneHz: 180, ...devices }),
      this.branch.url,
    );
  }

  async supervisor(devices: Parameters<typeof Person.onPhone>[1] = {}): Promise<Supervisor> {
    return new Supervisor(
      await this.person("atDesk", "supervisor", { toneHz: 520, ...devices }),
      this.branch.url,
    );
  }

  /** Ends everything; what is needed to find out why a test failed goes into its report. */
  async close(info: TestInfo): Promise<void> {
    const failed = info.status !== info.expectedStatus;
    for (const person of this.people) {
      if (failed) {
        const picture = await person.page.screenshot().catch(() => null);
        if (picture)
          await info.attach(`${person.name}.png`, { body: picture, contentType: "image/png" });
        await info.attach(`${person.name}-console.txt`, { body: person.console.join("\n") });
        const notes = await person.actor.notes().catch(() => null);
        if (notes) await info.attach(`${person.name}-actor.json`, { body: JSON.stringify(notes) });
      }
      await person.leave().catch(() => undefined);
    }
    if (failed) await info.attach("server.log", { body: this.branch.log });
    await this.branch.discard();
  }
}

type Open = (options?: Parameters<typeof Branch.start>[0]) => Promise<Scene>;

/** Tests that open scenes; they are closed when the test is over, however it went. */
export const test = base.extend<{ open: Open }>({
  open: async ({}, use, info) => {
    const scenes: Scene[] = [];
    await use(async (options) => {
      const scene = await Scene.open(options);
      scenes.push(scene);
      return scene;
    });
    for (const scene of scenes) await scene.close(info);
  },
});

/** From the demo entry to a call in which both see and hear each other, without face processing. */
export async function intoCall(
  scene: Scene,
  devices: { customer?: Parameters<typeof Person.onPhone>[1] } = {},
): Promise<{ customer: Customer; staff: Staff }> {
  const [customer, staff] = await Promise.all([scene.customer(devices.customer), scene.staff()]);
  await customer.start();
  await customer.consent("no face");
  await customer.checkMedia();
  await customer.expectToWait();
  await staff.signIn();
  await staff.accept();
  await expectToSeeAndHear(customer.page, "the customer");
  await expectToSeeAndHear(staff.page, "the staff member");
  return { customer, staff };
}
