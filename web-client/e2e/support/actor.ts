import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { BrowserContext, Page } from "@playwright/test";
import { ModuleKind, ScriptTarget, transpileModule } from "typescript";

import type { Casting, Cut, Note } from "./actor/casting";
import type {} from "./actor/stage";

/** Where the page fetches the film's pictures; answered by the test, never by the server. */
const PICTURES = "/e2e-actor";

/**
 * A live person before a browser's camera. Chromium's own fake camera can only play a film, and a
 * film does not do what it is asked. The actor reads the page as a person does, needs a moment to
 * understand, then moves; the screen's light falls on the face. Nothing is told to the actor
 * beforehand, and nothing of the server knows of it.
 */
export class Actor {
  /** From now on, in every page of the context, the camera shows the actor. */
  static async enter(
    context: BrowserContext,
    pictures: string,
    { seed, lit }: Pick<Casting, "seed" | "lit">,
  ): Promise<void> {
    await context.route(`**${PICTURES}/*.jpg`, (route) =>
      route.fulfill({ path: join(pictures, new URL(route.request().url()).pathname.slice(-7)) }),
    );
    const casting: Casting = { ...WOMAN_OF_D3, pictures: PICTURES, seed, lit };
    await context.addInitScript({ content: script(casting) });
  }

  constructor(private readonly page: Page) {}

  /** Gets up and walks out of the picture. */
  async leave(): Promise<void> {
    await this.page.evaluate(() => window.e2eActor.away(true));
  }

  /** Sits down again. */
  async comeBack(): Promise<void> {
    await this.page.evaluate(() => window.e2eActor.away(false));
  }

  /** What was asked, done and seen, for people who look into a failed test. */
  async notes(): Promise<Note[]> {
    return this.page.evaluate(() => window.e2eActor.notes);
  }
}

/**
 * Where in the film the gestures are, and where the face is in it. Found with the mesh model;
 * coordinates belong to pictures of 480x480. A smile is not in this film.
 */
const WOMAN_OF_D3: Omit<Casting, "pictures" | "seed" | "lit"> = {
  side: 480,
  // Yaw 7 to -5 degrees, eyes open.
  rest: { from: 186, to: 200, join: 192, eyes: [175.3, 227.2, 349.9, 228] },
  // Of the head's middle; in between it moves evenly.
  heads: {
    54: [263, 297],
    60: [259, 305],
    96: [250, 310],
    123: [258, 333],
    186: [267, 284],
    200: [256, 277],
    264: [285, 338],
    279: [271, 330],
    294: [238, 294],
    303: [242, 290],
  },
  gestures: {
    blink: cut([185.2, 242.9, 358, 242.9], [0, 54], [120, 57], [280, 58], [420, 54]),
    // Yaw -1 to 22 degrees and back: first the film backwards.
    turn_left: cut([146.2, 246.3, 322.9, 229], [0, 294], [1100, 265], [1450, 267], [2600, 294]),
    // The film has no turn to the right of more than 17 degrees.
    turn_right: {
      ...cut([146.2, 246.3, 322.9, 229], [0, 294], [1100, 265], [1450, 267], [2600, 294]),
      mirrored: true,
    },
    open_mouth: cut([146.2, 246.3, 322.9, 229], [0, 294], [500, 303], [900, 302], [1400, 294]),
    nod: cut([157.1, 259.8, 327.2, 259.7], [0, 96], [650, 122], [800, 123], [1450, 96]),
  },
};

const MODULES = ["casting", "shape", "will", "light", "pictures", "camera", "stage"];

/** The modules of the actor as one script that needs no server to load it from. */
function script(casting: Casting): string {
  const compilerOptions = { target: ScriptTarget.ES2022, module: ModuleKind.CommonJS };
  const modules = MODULES.map((name) => {
    const text = readFileSync(join(__dirname, "actor", `${name}.ts`), "utf8");
    const { outputText } = transpileModule(text, { compilerOptions });
    return `"./${name}": (exports, require) => {\n${outputText}\n},`;
  });
  return `{
    const modules = {\n${modules.join("\n")}\n};
    const loaded = {};
    const require = (name) => {
      if (!(name in loaded)) modules[name]((loaded[name] = {}), require);
      return loaded[name];
    };
    require("./stage").enter(${JSON.stringify(casting)});
  }`;
}

function cut(eyes: Cut["eyes"], ...course: Cut["course"]): Cut {
  return { eyes, course, mirrored: false };
}
