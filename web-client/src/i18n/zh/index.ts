import { audit } from "./audit";
import { call } from "./call";
import { common } from "./common";
import { customer } from "./customer";
import { error } from "./errors";
import { kyc } from "./kyc";
import { staff } from "./staff";
import { supervisor } from "./supervisor";

export const zh = { ...common, customer, call, kyc, staff, supervisor, audit, error };
