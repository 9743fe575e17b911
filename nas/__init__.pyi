"""Types of the public names, for editors and type checkers; `nas/__init__.py` imports them when they are used."""

from controllers.ppo import PPO as PPO
from controllers.ppo import PPOSettings as PPOSettings
from controllers.random_search import RandomSearch as RandomSearch
from controllers.regularized_evolution import (
    EvolutionSettings as EvolutionSettings,
)
from controllers.regularized_evolution import (
    RegularizedEvolution as RegularizedEvolution,
)
from controllers.reinforce import Reinforce as Reinforce
from controllers.reinforce import ReinforceSettings as ReinforceSettings
from experiments.library.data import data_set as data_set
from experiments.library.drawing import Drawing as Drawing
from experiments.library.drawing import draw as draw
from experiments.library.networks import build_network as build_network
from experiments.library.networks import export as export
from experiments.library.networks import load as load
from experiments.library.networks import train as train
from experiments.library.run import Found as Found
from experiments.library.run import Run as Run
from experiments.library.run import compare as compare
from experiments.library.run import load_run as load_run
from experiments.library.run_search import run_search as run_search
from nas.architecture import Architecture as Architecture
from nas.architecture import Block as Block
from nas.architecture import Cell as Cell
from nas.architecture import Edge as Edge
from nas.data.data_set import DataSet as DataSet
from nas.data.data_set import Split as Split
from nas.data.load import load_data as load_data
from nas.decisions import Choice as Choice
from nas.decisions import Rollout as Rollout
from nas.fidelity import DataSpec as DataSpec
from nas.fidelity import Fidelity as Fidelity
from nas.fidelity import NetworkSpec as NetworkSpec
from nas.ledger.writer import Ledger as Ledger
from nas.models.normalization import NORMALIZATIONS as NORMALIZATIONS
from nas.models.normalization import Normalization as Normalization
from nas.models.operations import OPERATIONS as OPERATIONS
from nas.models.operations import EdgeLayers as EdgeLayers
from nas.models.operations import Operation as Operation
from nas.plain import PlainDescription as PlainDescription
from nas.plugins import plug_in as plug_in
from nas.recipe import TrainRecipe as TrainRecipe
from nas.rewards import Accuracy as Accuracy
from nas.rewards import CostedAccuracy as CostedAccuracy
from nas.rewards import ShiftedAccuracy as ShiftedAccuracy
from nas.search import SearchPlan as SearchPlan
from nas.search import search as search
from nas.trial import Failure as Failure
from nas.trial import Success as Success
from nas.trial import Trial as Trial
from search_spaces.cell_space import CellSpace as CellSpace
from search_spaces.nasnet import NASNET as NASNET
from search_spaces.published import PUBLISHED as PUBLISHED
from search_spaces.tiny import TINY as TINY
from workers.cluster.connection import connect as connect
from workers.evaluators.train_and_validate import train_and_validate as train_and_validate
from workers.pools.caching_pool import CachingPool as CachingPool
from workers.pools.ray_pool import RayPool as RayPool
from workers.pools.serial_pool import SerialPool as SerialPool

__version__: str
