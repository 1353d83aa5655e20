import { audit } from "./audit";
import { call } from "./call";
import { common } from "./common";
import { customer } from "./customer";
import { error } from "./errors";
import { staff } from "./staff";
import { supervisor } from "./supervisor";

export const en = { ...common, customer, call, staff, supervisor, audit, error };
