import { audit } from "./audit";
import { common } from "./common";
import { customer } from "./customer";
import { error } from "./errors";
import { staff } from "./staff";

export const zh = { ...common, customer, staff, audit, error };
