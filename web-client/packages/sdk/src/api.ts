/** The requests of docs/protocol.md, by who may make them. */
import { http, type Http, type HttpOptions } from "./http.js";
import type {
  AuditEntry,
  CameraTraits,
  ClosingOutcome,
  CustomerView,
  Film,
  FilmLayout,
  Info,
  KycEvidence,
  MediaAnswer,
  MediaKind,
  NewVisit,
  QueueEntry,
  RecordingRow,
  Replay,
  StaffView,
  StepInput,
  SupervisionMode,
  SupervisorView,
  User,
} from "./protocol.js";

/** Posts an SDP offer and resolves to the server's answer. */
export type Negotiate = (offer: string) => Promise<MediaAnswer>;

type Where = Pick<HttpOptions, "baseUrl" | "fetch">;

/** What needs no sign-in, and signing in itself. */
export class PublicApi {
  private readonly http: Http;

  constructor(where: Where = {}) {
    this.http = http(where);
  }

  info = () => this.http.get<Info>("/info");
  demoVisit = (product: string) =>
    this.http.post<{ token: string; url: string }>("/demo/visits", { product });
  signIn = (username: string, password: string) =>
    this.http.post<User>("/session", { username, password });
  currentUser = () => this.http.get<User>("/session");
  signOut = () => this.http.delete("/session");
}

/** One customer's visit, by the token of the link. */
export class CustomerApi {
  private readonly http: Http;

  constructor(
    readonly token: string,
    where: Where = {},
  ) {
    this.http = http({ ...where, token });
  }

  visit = () => this.http.get<CustomerView>("/customer/visit");
  consent = (given: { recording: boolean; face: boolean; text_version: string }) =>
    this.http.post<CustomerView>("/customer/visit/consents", given);
  startLiveness = (camera?: CameraTraits) =>
    this.http.post<CustomerView>(
      "/customer/visit/liveness",
      camera === undefined ? {} : { camera },
    );
  skipLiveness = () => this.http.post<CustomerView>("/customer/visit/liveness/skip");
  completeStep = (step: string, input: StepInput) =>
    this.http.post<CustomerView>(`/customer/visit/steps/${encodeURIComponent(step)}`, input);
  leave = () => this.http.post<CustomerView>("/customer/visit/leave");
  negotiate: Negotiate = (sdp) => this.http.post<MediaAnswer>("/customer/visit/media", { sdp });
}

/** What everybody who serves customers may ask, by the session cookie. */
class ServingApi {
  protected readonly http: Http;

  constructor(where: Where = {}) {
    this.http = http(where);
  }

  /** The queue and one's own call; for a supervisor every running call. */
  visits = async () => (await this.http.get<{ visits: QueueEntry[] }>("/visits")).visits;
  /** The last liveness check of a visit one serves or attends; 404 where none is kept. */
  kyc = (visit: string) => this.http.get<KycEvidence>(`${at(visit)}/kyc`);
  /** The best picture of that check. */
  kycPicture = (visit: string) => this.http.getBlob(`${at(visit)}/kyc/picture`);
}

/** What staff may ask, by the session cookie. */
export class StaffApi extends ServingApi {
  /** `customerRef`: who the customer is to the bank, for limits and the portrait's keeping. */
  createVisit = (product: string, options: { expiresInS?: number; customerRef?: string } = {}) =>
    this.http.post<NewVisit>("/visits", {
      product,
      ...(options.expiresInS === undefined ? {} : { expires_in_s: options.expiresInS }),
      ...(options.customerRef === undefined ? {} : { customer_ref: options.customerRef }),
    });
  /** Keeps the picture of the customer's document for a while, for checks to compare with. */
  keepPortrait = (visit: string, portrait: Blob) =>
    this.http.putBlob(`${at(visit)}/portrait`, portrait);
  forgetPortrait = (visit: string) => this.http.delete(`${at(visit)}/portrait`);
  visit = (visit: string) => this.http.get<StaffView>(at(visit));
  accept = (visit: string) => this.http.post<StaffView>(`${at(visit)}/accept`);
  openStep = (visit: string, step: string) =>
    this.http.post<StaffView>(`${at(visit)}/steps/${encodeURIComponent(step)}/open`);
  completeStep = (visit: string, step: string, input: StepInput) =>
    this.http.post<StaffView>(`${at(visit)}/steps/${encodeURIComponent(step)}/complete`, input);
  /** What is muted reaches nobody else until it is unmuted; it is recorded all the same. */
  mute = (visit: string, participant: string, kind: MediaKind, muted: boolean) =>
    this.http.post<StaffView>(`${at(visit)}/mute`, { participant, kind, muted });
  close = (visit: string, outcome: ClosingOutcome) =>
    this.http.post<StaffView>(`${at(visit)}/close`, { outcome });
  negotiate =
    (visit: string): Negotiate =>
    (sdp) =>
      this.http.post<MediaAnswer>(`${at(visit)}/media`, { sdp });
}

/** What a supervisor may ask besides, by the session cookie: attending a colleague's call. */
export class SupervisorApi extends ServingApi {
  /** Begins to attend, or goes on in another way; the media connection stays as it is. */
  attend = (visit: string, mode: SupervisionMode) =>
    this.http.post<SupervisorView>(`${at(visit)}/supervision`, { mode });
  view = (visit: string) => this.http.get<SupervisorView>(`${at(visit)}/supervision`);
  leave = (visit: string) => this.http.delete(`${at(visit)}/supervision`);
  negotiate =
    (visit: string): Negotiate =>
    (sdp) =>
      this.http.post<MediaAnswer>(`${at(visit)}/supervision/media`, { sdp });
}

/** What an auditor may ask, by the session cookie. */
export class AuditApi {
  private readonly http: Http;
  private readonly base: string;

  constructor(where: Where = {}) {
    this.http = http(where);
    this.base = where.baseUrl ?? "";
  }

  recordings = async () =>
    (await this.http.get<{ recordings: RecordingRow[] }>("/recordings")).recordings;
  replay = (recording: string, reason: string) =>
    this.http.post<Replay>(`/recordings/${encodeURIComponent(recording)}/replays`, { reason });
  /** Says that a still is about to be taken, so that it is on the audit log before. */
  snapshot = (replay: string, atMs: number) =>
    this.http.post<undefined>(`/replays/${encodeURIComponent(replay)}/snapshots`, {
      at_ms: Math.max(0, Math.round(atMs)),
    });
  films = async () => (await this.http.get<{ films: Film[] }>("/films")).films;
  makeFilm = (recording: string, reason: string, layout: FilmLayout) =>
    this.http.post<Film>(`/recordings/${encodeURIComponent(recording)}/films`, { reason, layout });
  /** Cancels one's film, or lets go of it. */
  discardFilm = (film: string) => this.http.delete(filmAt(film));
  /** As the second person. */
  approveFilm = (film: string) => this.http.post<Film>(`${filmAt(film)}/approval`);
  /** Where the film's file is. */
  filmFile = (film: string) => `${this.base}/api/v1${filmAt(film)}/film.mp4`;
  log = async () => (await this.http.get<{ entries: AuditEntry[] }>("/audit-log")).entries;
  /** The HLS playlist of one track, by its name. */
  playlist = (replay: string, track: string) =>
    `${this.base}/api/v1/replays/${encodeURIComponent(replay)}/${encodeURIComponent(track)}/index.m3u8`;
}

function filmAt(film: string): string {
  return `/films/${encodeURIComponent(film)}`;
}

function at(visit: string): string {
  return `/visits/${encodeURIComponent(visit)}`;
}
