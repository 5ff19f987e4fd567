// SPDX-License-Identifier: MIT
// Short names of the API's schemas.

import type { components } from "./schema";

type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];
export type SignIn = Schemas["SignIn"];
export type User = Schemas["User"];
export type UserCreate = Schemas["UserCreate"];
export type UserUpdate = Schemas["UserUpdate"];
export type Session = Schemas["Session"];
export type Account = Schemas["Account"];
export type Position = Schemas["Position"];
export type Order = Schemas["Order"];
export type Signal = Schemas["Signal"];
export type Trade = Schemas["Trade"];
export type Instrument = Schemas["Instrument"];
export type SystemState = Schemas["SystemState"];
export type Overview = Schemas["Overview"];
export type Performance = Schemas["Performance"];
export type LoginReport = Schemas["LoginReport"];
export type Candle = Schemas["Candle"];
export type TradeStatistics = Schemas["TradeStatistics"];
export type Retry = Schemas["RetryList"]["items"][number];
